"""proxyd with its modules already read: each command, and each daemon, forks one process.

It takes longer to read the modules than to do the work, and tests give thousands of commands.
Each runs the same code, with its own environment and standard streams.

As a program: `python -m peers.warm`, with a socket as its standard input.
"""

import atexit
import contextlib
import functools
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import traceback
import weakref
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, BinaryIO

from peers.needed import ROOT, environment
from peers.output import Output

_MAX_REQUEST_BYTES = 1 << 17
_READ = (
    *("proxyd", "proxyd.cli", "control", "storage", "bus", "recorder"),
    *("protocols", "protocols.ssh", "protocols.rdp"),
)


def run_warm(
    args: Sequence[str],
    *,
    typed: bytes = b"",
    env: Mapping[str, str] | None = None,
    seconds: float = 45,
) -> Output:
    """Run `proxyd` with `args` as `peers.output.run` would."""
    with contextlib.ExitStack() as stack:
        stdin, stdout, stderr = (stack.enter_context(_in_memory(name)) for name in "ioe")
        stdin.write(typed)
        stdin.seek(0)
        process = WarmProcess(args, (stdin, stdout, stderr), env or {})
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
        return Output(status, _content(stdout), _content(stderr))


class WarmProcess:
    """A process that is `proxyd` with some arguments; what of `subprocess.Popen` is used."""

    def __init__(
        self, args: Sequence[str], streams: Iterable[IO[bytes]], env: Mapping[str, str]
    ) -> None:
        self.args = ["proxyd", *args]
        self.returncode: int | None = None
        request = json.dumps({"args": list(args), "env": environment(**env)}).encode()
        assert len(request) <= _MAX_REQUEST_BYTES
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            descriptors = [theirs.fileno(), *(stream.fileno() for stream in streams)]
            socket.send_fds(_warm(os.getpid()), [request], descriptors)
        self.pid = int(self._ours.recv(16))
        weakref.finalize(self, self._ours.close)

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended."""
        if self.returncode is None:
            ready, _, _ = select.select([self._ours], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = int(self._ours.recv(16))
            self._ours.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _in_memory(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(name), "r+b", buffering=0)


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


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
    sys.argv = ["proxyd", *args]
    # What this process spawns must not read the modules of tests.
    sys.modules["__main__"].__spec__ = None
    del sys.modules["__main__"].__file__
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    for place in _READ:
        for module in pkgutil.iter_modules(import_module(place).__path__, f"{place}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    # What is frozen is not looked at again, so that its memory stays shared.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as asked:
        _read_modules()
        serve(asked)
