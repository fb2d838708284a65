"""Which servers may start something on this machine, and how: one file of the user's."""

import json
import os
import re
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from clients.errors import DeniedError, UsageError
from clients.launcher.link import Address, parse_server
from clients.launcher.programs import OPENSSH, PUTTY

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_MODE: Final = 0o600


@dataclass(frozen=True)
class Server:
    """A page that was registered, and how it is recognised.

    By the machine's own authorities where it has neither of the two.
    """

    ca: str | None = None
    """A file with certificates of authorities, PEM."""
    fingerprint: str | None = None
    """SHA-256 of its certificate, in hexadecimal digits."""


@dataclass(frozen=True)
class Registry:
    """What the user has said."""

    servers: dict[str, Server] = field(default_factory=dict)
    """By `host:port`."""
    ssh: str = OPENSSH
    terminal: tuple[str, ...] = ()
    """What opens a window with a program in it, up to the program's name; empty: look."""
    drive: str | None = None
    """The folder that is lent to desktops whose secrets let drives through."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what the file says, nothing where there is none; raise `UsageError`."""
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                servers={name: Server(**one) for name, one in given["servers"].items()},
                ssh=_one_of(given["ssh"]),
                terminal=tuple(map(str, given["terminal"])),
                drive=given["drive"],
            )
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} cannot be read ({error}): remove it, and register the page again"
            ) from error

    def write(self, path: Path) -> None:
        """Write it down, whole or not at all; raise `UsageError`."""
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            # pathlib cannot say who may read it.
            with open(
                partial,
                "x",
                encoding="utf-8",
                opener=lambda name, flags: os.open(name, flags, _MODE),
            ) as file:
                json.dump(asdict(self), file, indent=1)
            partial.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error

    def server(self, address: Address) -> Server:
        """Return how a page is recognised; raise `DeniedError` where it was not registered."""
        found = self.servers.get(str(address))
        if found is None:
            raise DeniedError(
                f"{address} may start nothing on this machine: if it is the page you use, type "
                f"`proxyd-launcher register https://{address}` as the page shows it"
            )
        return found

    def with_server(self, address: Address, server: Server) -> Self:
        """Return it with a page more, or with another way to recognise one."""
        return replace(self, servers={**self.servers, str(address): server})

    def with_wishes(self, ssh: str | None, terminal: str | None, drive: str | None) -> Self:
        """Return it with what the user prefers; None leaves it as it was; `UsageError`."""
        changed = self
        if ssh is not None:
            changed = replace(changed, ssh=ssh)
        if terminal is not None:
            changed = replace(changed, terminal=tuple(_words(terminal)))
        if drive is not None:
            folder = Path(drive).resolve()
            if not folder.is_dir() or "," in str(folder):
                raise UsageError(f"{folder} cannot be lent: name a folder without a comma")
            changed = replace(changed, drive=str(folder))
        return changed

    def without(self, address: Address) -> Self:
        """Return it without a page; raise `UsageError` where there is none."""
        left = {name: one for name, one in self.servers.items() if name != str(address)}
        if len(left) == len(self.servers):
            raise UsageError(f"{address} was not registered")
        return replace(self, servers=left)


def server_of(ca: str | None, fingerprint: str | None) -> Server:
    """Return how a page shall be recognised; raise `UsageError`."""
    if ca is not None:
        path = Path(ca).resolve()
        if not path.is_file():
            raise UsageError(f"there is no file {path}: name one with certificates, as PEM")
        return Server(ca=str(path))
    if fingerprint is None:
        return Server()
    digits = fingerprint.lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if not _FINGERPRINT.fullmatch(digits):
        raise UsageError("a fingerprint is a SHA-256 in 64 hexadecimal digits")
    return Server(fingerprint=digits)


def address_of(text: str) -> Address:
    """Return the page at `https://host[:port]`; raise `UsageError`."""
    return parse_server(text)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} makes no words: {error}") from error


def _one_of(ssh: Any) -> str:  # noqa: ANN401 - whatever the file says
    if ssh not in {OPENSSH, PUTTY}:
        raise ValueError(f"there is no SSH client {ssh!r} to choose")
    return str(ssh)
