"""The command line with its modules already read: each command is a fork of one process.

A command takes longer to read its modules than to do its work, and tests give thousands. It
runs the same code, with its own environment, folder and standard streams.

As a program: `python -m peers.warm`, with a socket as its standard input.
"""

import atexit
import contextlib
import functools
import gc
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from peers.needed import ROOT, environment
from peers.output import Output

_MAX_REQUEST_BYTES = 1 << 17


def run_warm(
    args: Sequence[str],
    *,
    typed: bytes = b"",
    env: Mapping[str, str] | None = None,
    seconds: float = 45,
) -> Output:
    """Run `proxyd` with `args` as `peers.output.run` would."""
    request = json.dumps({"args": list(args), "env": environment(**(env or {}))}).encode()
    assert len(request) <= _MAX_REQUEST_BYTES
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, contextlib.ExitStack() as stack:
        stdin, stdout, stderr = (stack.enter_context(_in_memory(name)) for name in "ioe")
        stdin.write(typed)
        stdin.seek(0)
        with theirs:
            descriptors = [
                theirs.fileno(),
                *(file.fileno() for file in (stdin, stdout, stderr)),
            ]
            socket.send_fds(_warm(os.getpid()), [request], descriptors)
        child = int(ours.recv(16))
        ours.settimeout(seconds)
        try:
            status = int(ours.recv(16))
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["proxyd", *args], seconds) from None
        return Output(status, _content(stdout), _content(stderr))


def _in_memory(name: str) -> io.FileIO:
    return io.FileIO(os.memfd_create(name), "r+")


def _content(file: io.FileIO) -> bytes:
    file.seek(0)
    return file.readall()


@functools.cache
def _warm(of: int) -> socket.socket:
    """The socket that commands are sent to; one process for each process of tests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "peers.warm"],
            cwd=ROOT,
            env=environment(PYTHONPATH=str(Path(__file__).parents[1])),
            stdin=theirs.fileno(),
            start_new_session=True,
        )
    atexit.register(_end, of, ours, process)
    return ours


def _end(of: int, requests: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    if os.getpid() == of:
        requests.close()
        process.wait(10)


# --- the process itself


def serve(requests: socket.socket) -> None:
    """Fork for each request until the other side is gone."""
    poll, children = select.poll(), dict[int, tuple[int, socket.socket]]()
    poll.register(requests, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in children:
                poll.unregister(descriptor)
                _report(descriptor, *children.pop(descriptor))
                continue
            request, descriptors, _, _ = socket.recv_fds(requests, _MAX_REQUEST_BYTES, 4)
            if not request:
                return
            reply, *streams = descriptors
            child = os.fork()
            if child == 0:
                _become(json.loads(request), streams)
            for stream in streams:
                os.close(stream)
            ended, asker = os.pidfd_open(child), socket.socket(fileno=reply)
            _tell(asker, child)
            children[ended] = (child, asker)
            poll.register(ended, select.POLLIN)


def _report(ended: int, child: int, reply: socket.socket) -> None:
    _, status = os.waitpid(child, 0)
    os.close(ended)
    with reply:
        _tell(reply, os.waitstatus_to_exitcode(status))


def _tell(reply: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # Nobody waits for it any more.
        reply.send(str(number).encode())


def _become(request: dict[str, object], streams: list[int]) -> None:
    """Be `proxyd` with these arguments, and end."""
    args, env = request["args"], request["env"]
    assert isinstance(args, list)
    assert isinstance(env, dict)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(env)
    main = import_module("proxyd.cli").main
    status = 1
    try:
        main(args, prog_name="proxyd")
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    except BaseException:  # noqa: BLE001 -- as the interpreter does.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _read_modules() -> None:
    for place in ("proxyd.cli", "control", "storage"):
        for module in pkgutil.iter_modules(import_module(place).__path__, f"{place}."):
            import_module(module.name)
    # What is frozen is not looked at again, so that its memory stays shared.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as asked:
        _read_modules()
        serve(asked)
