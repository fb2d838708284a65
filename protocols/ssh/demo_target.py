"""The target of `proxyd demo`: a small SSH server for whoever has no sshd at hand.

`python -m protocols.ssh.demo_target` listens on a free loopback port with a new host
key and a new password, prints them as one JSON line, and gives the user that runs it a
login shell, commands, SFTP and SCP. It ends with its parent.
"""

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import io
import json
import os
import pwd
import secrets
import signal
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import asyncssh

_READ_BYTES: Final = 64 * 1024
_PR_SET_PDEATHSIG: Final = 1
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KILLED: Final = 128
"""A shell adds this to a signal's number; so do we where the signal has no SSH name."""
_SETSID: Final = "setsid"
_SSH_SIGNALS: Final = frozenset(
    {"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL"}
    | {"PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"}
)
"""RFC 4254 6.10."""

Process = asyncssh.SSHServerProcess[bytes]
Child = asyncio.subprocess.Process


@dataclass(frozen=True)
class _Ends:
    """Our ends of what the child reads and writes: file objects, so that each closes once."""

    stdin: io.FileIO
    stdout: io.FileIO
    stderr: io.FileIO | None
    """None on a terminal: there is one output only."""

    @property
    def terminal(self) -> bool:
        return self.stderr is None

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        with self.stdin, self.stdout, self.stderr or contextlib.nullcontext():
            yield


class _OneUser(asyncssh.SSHServer):
    """Lets one user in with one password."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        named = secrets.compare_digest(username.encode(), self._username.encode())
        return named and secrets.compare_digest(password.encode(), self._password.encode())


async def serve() -> None:
    """Listen, say where, and serve until cancelled."""
    username, password = pwd.getpwuid(os.getuid()).pw_name, secrets.token_urlsafe(24)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _OneUser(username, password),
        server_host_keys=[host_key],
        process_factory=_run,
        sftp_factory=True,
        allow_scp=True,
        encoding=None,
        line_editor=False,
        compression_algs=["none"],
    )
    async with acceptor:
        place = {
            "host": "127.0.0.1",
            "port": acceptor.get_port(),
            "username": username,
            "password": password,
            "host_key": host_key.export_public_key().decode().strip(),
        }
        sys.stdout.write(json.dumps(place) + "\n")
        sys.stdout.flush()
        await acceptor.wait_closed()


async def _run(process: Process) -> None:
    """Run a shell or a command for one session channel."""
    child, ends = await _start(process)
    try:
        with ends.closing():
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(_feed(process, child, ends))
                leaving = tasks.create_task(_hang_up(process, child))
                await _deliver(process, child, ends)
                feeding.cancel()
                leaving.cancel()
        _tell_status(process, await child.wait())
    except* (OSError, asyncssh.Error):
        _signal(child, signal.SIGHUP)  # The user left in the middle; the child leaves too.


async def _start(process: Process) -> tuple[Child, _Ends]:
    account = pwd.getpwuid(os.getuid())
    shell = account.pw_shell or "/bin/sh"
    command = [shell, "-l"] if process.command is None else [shell, "-c", process.command]
    environment = {name: value for name, value in process.env.items() if name != "PATH"} | {
        "HOME": account.pw_dir,
        "LOGNAME": account.pw_name,
        "PATH": _PATH,
        "SHELL": shell,
        "USER": account.pw_name,
    }
    if process.term_type is None:
        return await _start_on_pipes(command, environment)
    environment["TERM"] = process.term_type
    return await _start_on_terminal(command, environment, process)


async def _start_on_pipes(
    command: list[str], environment: dict[str, str]
) -> tuple[Child, _Ends]:
    its_stdin, stdin = os.pipe()
    stdout, its_stdout = os.pipe()
    stderr, its_stderr = os.pipe()
    ends = _Ends(_ours(stdin, "wb"), _ours(stdout, "rb"), _ours(stderr, "rb"))
    try:
        return await _spawn(command, environment, (its_stdin, its_stdout, its_stderr)), ends
    finally:
        for number in (its_stdin, its_stdout, its_stderr):
            os.close(number)


async def _start_on_terminal(
    command: list[str], environment: dict[str, str], process: Process
) -> tuple[Child, _Ends]:
    master, slave = os.openpty()
    end = _ours(master, "r+b")
    _resize(end, process.term_size)
    try:
        # setsid(1) makes the session and its terminal, so that Ctrl-C works in it.
        command = [_SETSID, "--ctty", *command]
        return await _spawn(command, environment, (slave, slave, slave)), _Ends(end, end, None)
    finally:
        os.close(slave)


async def _spawn(
    command: list[str], environment: dict[str, str], streams: tuple[int, int, int]
) -> Child:
    stdin, stdout, stderr = streams
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        cwd=environment["HOME"],
        start_new_session=command[0] != _SETSID,
    )


def _ours(number: int, mode: str) -> io.FileIO:
    os.set_blocking(number, False)
    return io.FileIO(number, mode)


async def _feed(process: Process, child: Child, ends: _Ends) -> None:
    """Bring the child what the user types, sends and signals."""
    while True:
        try:
            data = await process.stdin.read(_READ_BYTES)
        except asyncssh.TerminalSizeChanged as change:
            _resize(ends.stdin, change.term_size)
        except asyncssh.SignalReceived as received:
            _signal(child, _number(received.signal))
        except asyncssh.BreakReceived:
            pass  # A terminal without a wire has no break.
        else:
            if not data:
                break
            await _write(ends.stdin, data)
    if not ends.terminal:
        ends.stdin.close()


async def _deliver(process: Process, child: Child, ends: _Ends) -> None:
    """Bring the user what the child prints, to the last byte."""
    async with asyncio.TaskGroup() as tasks:
        copying = tasks.create_task(_copy(ends.stdout, process.stdout))
        if ends.stderr is not None:
            tasks.create_task(_copy(ends.stderr, process.stderr))
            return
        # A background job may keep the terminal open; the session ends with the shell.
        await child.wait()
        copying.cancel()
    while data := _take(ends.stdout):
        process.stdout.write(data)
        await process.stdout.drain()


async def _hang_up(process: Process, child: Child) -> None:
    """Tell the child when its user has gone."""
    await process.wait_closed()
    _signal(child, signal.SIGHUP)


async def _copy(source: io.FileIO, destination: asyncssh.SSHWriter[bytes]) -> None:
    while data := await _read(source):
        destination.write(data)
        await destination.drain()


async def _read(source: io.FileIO) -> bytes:
    """Return what is there, empty at the end."""
    loop = asyncio.get_running_loop()
    while (data := _take(source)) is None:
        await _ready(loop.add_reader, loop.remove_reader, source)
    return data


def _take(source: io.FileIO) -> bytes | None:
    """Return what is there now, None where nothing is, empty at the end."""
    try:
        return source.read(_READ_BYTES)
    except OSError as error:
        if error.errno == errno.EIO:  # A terminal that nobody holds open any more.
            return b""
        raise


async def _write(destination: io.FileIO, data: bytes) -> None:
    """Write all of `data`; a child that reads no more loses it, as in a pipe."""
    loop = asyncio.get_running_loop()
    rest = memoryview(data)
    with contextlib.suppress(BrokenPipeError):
        while rest:
            written = destination.write(rest)
            if written is None:
                await _ready(loop.add_writer, loop.remove_writer, destination)
            rest = rest[written or 0 :]


async def _ready(
    watch: Callable[..., object], leave: Callable[[io.FileIO], object], file: io.FileIO
) -> None:
    ready = asyncio.get_running_loop().create_future()
    watch(file, _settle, ready)
    try:
        await ready
    finally:
        leave(file)


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _resize(terminal: io.FileIO, size: tuple[int, int, int, int]) -> None:
    columns, rows, width_px, height_px = size
    packed = struct.pack("HHHH", rows, columns, width_px, height_px)
    with contextlib.suppress(OSError):  # No terminal, no size.
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


def _signal(child: Child, number: int) -> None:
    """Signal the child and whatever it started in the foreground of its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _number(name: str) -> int:
    return int(getattr(signal, f"SIG{name}", 0)) if name in _SSH_SIGNALS else 0


def _tell_status(process: Process, status: int) -> None:
    if status >= 0:
        process.exit(status)
        return
    name = signal.Signals(-status).name.removeprefix("SIG")
    if name in _SSH_SIGNALS:
        process.exit_with_signal(name)
    else:
        process.exit(_KILLED - status)


def main() -> None:
    """Serve until the parent ends or ends us."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    os.chdir(pwd.getpwuid(os.getuid()).pw_dir)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
