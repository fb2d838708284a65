"""Tells systemd how the daemon is: the sd_notify protocol.

One datagram a message to the socket that `NOTIFY_SOCKET` names; nothing at all where
it is unset. It is systemd's word to a service and no setting of ours, so it is read
here and not in `config.load`.
"""

import contextlib
import os
import socket
from collections.abc import Mapping


class Systemd:
    """The service manager, if one started us."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:  # noqa: TID251
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_us = _ours(environ)

    @property
    def watchdog_interval_s(self) -> float | None:
        """Half of what systemd allows between two signs of life; None where it watches not."""
        return None if self._watchdog_us is None else self._watchdog_us / 2_000_000

    def ready(self, status: str) -> None:
        """Say that everything listens."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """Show `text` in `systemctl status`."""
        self._send(f"STATUS={_one_line(text)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end was asked for and is under way."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        # A service manager that went away is no reason to stop serving.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to,
        ):
            to.sendto(message.encode(), self._address)


def _address(named: str) -> str | None:
    """Return the socket's address; a leading @ stands for the abstract namespace."""
    return "\0" + named[1:] if named.startswith("@") else named or None


def _ours(environ: Mapping[str, str]) -> int | None:
    interval_us = environ.get("WATCHDOG_USEC", "")
    meant_for = environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(interval_us) if interval_us.isdigit() and meant_for == str(os.getpid()) else None


def _one_line(text: str) -> str:
    return text.replace("\n", " ")
