"""Starts a client, gives it the password in a way that nobody else sees, and waits for it."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clients.errors import ClientError, MissingError
from clients.launcher import programs
from clients.launcher.answer import RDP, Order
from clients.launcher.handover import Handover
from clients.launcher.registry import Registry
from clients.launcher.surroundings import Surroundings

TERMINALS: Final = (("x-terminal-emulator", "-e"), ("xterm", "-e"))
_TAKEN_WITHIN_S: Final = 30.0
"""How long a program may take until it asks for what it is handed."""
_LOOKED_EVERY_S: Final = 0.05
_SSH_FAILED: Final = 255
_FREERDP_FAILED: Final = 128
"""From here on it tells of failures; below, of how a session ended."""
_PRIVATE, _PRIVATE_PROGRAM = 0o600, 0o700


@dataclass(frozen=True)
class Starter:
    """Starts clients for one user."""

    around: Surroundings
    registry: Registry

    def start(self, order: Order, *, window: bool) -> int:
        """Start what was ordered, in a window of its own if it needs one; return 0 at its end.

        Raises `ClientError`.
        """
        if order.kind == RDP:
            return self.desktop(order)
        if self._wants_putty():
            return self.putty(order)
        return self.window(order) if window else self.terminal(order)

    def terminal(self, order: Order) -> int:
        """Run OpenSSH's client on this terminal."""
        program = self.around.program(programs.OPENSSH, "to open a terminal with")
        with Handover(f"{order.password}\n".encode(), self.around.runtime) as handover:
            known_hosts, ask = handover.folder / "known_hosts", handover.folder / "ask"
            known_hosts.write_text(programs.known_hosts(order), encoding="ascii")
            answer = shlex.join([*self.around.itself, "answer", str(handover.path)])
            ask.write_text(f"#!/bin/sh\nexec {answer}\n", encoding="utf-8")
            ask.chmod(_PRIVATE_PROGRAM)
            # OpenSSH 8.4 or newer; an older one asks the user for what he does not know.
            env = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
            status = self._wait(self._begin(program, programs.openssh(order, known_hosts), env))
        if status == _SSH_FAILED:
            raise ClientError(
                f"ssh could not open {order.secret} at {order.host}:{order.port}, or lost it: "
                "what it said is above; make another link on the page to try again"
            )
        return 0

    def window(self, order: Order) -> int:
        """Open a terminal's window, in which the launcher goes on."""
        opener = self._opener()
        with Handover(order.encoded(), self.around.runtime) as handover:
            words = [*opener, *self.around.itself, "show", str(handover.path)]
            process = self._begin(words[0], words)
            # One that hands over to a window that is there ends at once, and goes on.
            if not handover.taken.wait(_TAKEN_WITHIN_S):
                process.terminate()
                raise ClientError(
                    f"`{shlex.join(opener)}` opens no window: name another with "
                    "`proxyd-launcher register --terminal`"
                )
            process.wait()
        return 0

    def putty(self, order: Order) -> int:
        """Run PuTTY."""
        program = self.around.program(programs.PUTTY, "to open a terminal with")
        self._check_windows(programs.PUTTY)
        with Handover(b"", self.around.runtime) as private:
            # A pipe with a name: what PuTTY takes for a file never lies on a disk.
            fifo = private.folder / "password"
            os.mkfifo(fifo, _PRIVATE)
            process = self._begin(program, programs.putty(order, fifo))
            _write_once(fifo, f"{order.password}\n".encode(), process)
            status = self._wait(process)
        if status:
            raise ClientError(f"PuTTY ended with status {status}: its window said why")
        return 0

    def desktop(self, order: Order) -> int:
        """Run xfreerdp."""
        program = self.around.program(programs.FREERDP, "to open a desktop with")
        self._check_windows(programs.FREERDP)
        drive = None if self.registry.drive is None else Path(self.registry.drive)
        process = self._begin(program, programs.freerdp(order, drive), stdin=subprocess.PIPE)
        if process.stdin is not None:
            # One that has ended reads nothing: its status says more.
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(f"{order.password}\n".encode())
        status = self._wait(process)
        if status >= _FREERDP_FAILED:
            raise ClientError(
                f"xfreerdp could not open {order.secret} at {order.host}:{order.port} (status "
                f"{status}): make another link on the page to try again"
            )
        return 0

    def _wants_putty(self) -> bool:
        if self.registry.ssh == programs.PUTTY:
            return True
        no_ssh = self.around.find(programs.OPENSSH) is None
        return no_ssh and self.around.find(programs.PUTTY) is not None

    def _opener(self) -> Sequence[str]:
        self._check_windows("a terminal")
        if self.registry.terminal:
            return self.registry.terminal
        for words in TERMINALS:
            if found := self.around.find(words[0]):
                return (found, *words[1:])
        raise MissingError(
            "there is no terminal emulator on this machine: install xterm, or name yours with "
            "`proxyd-launcher register --terminal`"
        )

    def _check_windows(self, what: str) -> None:
        if not self.around.has_windows:
            raise MissingError(
                f"there is no screen to open {what} on: log in to a desktop, or follow the "
                "link on a terminal"
            )

    def _begin(
        self,
        program: str,
        words: Sequence[str],
        env: dict[str, str] | None = None,
        stdin: int | None = None,
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - words of ours, filled in with what was checked
                words, executable=program, env={**self.around.env, **(env or {})}, stdin=stdin
            )
        except OSError as error:
            raise MissingError(f"{program} cannot be started: {error.strerror}") from error

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for its end. Ctrl-C on the terminal is for it alone; our end is its, too."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        except SystemExit:
            process.terminate()
            raise
        finally:
            signal.signal(signal.SIGINT, before)


def _write_once(fifo: Path, secret: bytes, reader: subprocess.Popen[bytes]) -> None:
    """Give `secret` to who reads a named pipe first, and remove it."""
    end = time.monotonic() + _TAKEN_WITHIN_S
    try:
        while time.monotonic() < end and reader.poll() is None:
            try:
                descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                # Nobody reads it yet.
                time.sleep(_LOOKED_EVERY_S)
                continue
            with open(descriptor, "wb") as pipe:  # noqa: PTH123 - it is open already
                pipe.write(secret)
            return
    finally:
        fifo.unlink(missing_ok=True)
