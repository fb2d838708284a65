"""What the server gives whoever follows a link, looked at before anything is done with it.

INVARIANT: what goes into a command line from here has an alphabet without blanks, quotes and
control characters, and does not begin with `-`. Pure.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from clients.errors import UnreachableError
from clients.launcher.link import is_host

SSH, RDP = "ssh", "rdp"
_MAX_PORT: Final = 65535
_MAX_MANY: Final = 64
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{7,19}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9]{24,32}")
_CHANNEL: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
_HOST_KEY: Final = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{40,4000}={0,2}"
)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_NOTICE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,1000}")
"""It is shown on a terminal, which control characters would tell what to do."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be started."""

    kind: str
    """`ssh` or `rdp`."""
    secret: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    channels: tuple[str, ...]
    host_keys: tuple[str, ...]
    """Of the gateways that may answer, `ssh-ed25519 AAAA…`; none where that is not known."""
    certificate_fingerprints: tuple[str, ...]
    """SHA-256 of the certificates that they may show, in hexadecimal digits."""
    notice: str

    def encoded(self) -> bytes:
        """Return it as `decode` reads it."""
        return json.dumps(self.__dict__).encode()


def decode(body: bytes) -> Order:
    """Return what is to be started; raise `UnreachableError` for what none of it may be."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise _not_understood("it is no JSON") from None
    if not isinstance(given, dict):
        raise _not_understood("it is no JSON object")
    taken: dict[str, Any] = {}
    for name, fits in _FIELDS.items():
        value = given.get(name)
        if not fits(value):
            raise _not_understood(f"`{name}` is not what it must be")
        taken[name] = tuple(value) if isinstance(value, list) else value
    return Order(**taken)


def _not_understood(why: str) -> UnreachableError:
    return UnreachableError(
        f"the server's answer makes no sense: {why}; get the launcher of its version from its "
        "page"
    )


def _text(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _texts(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    fits = _text(pattern)
    return lambda value: (
        isinstance(value, list) and len(value) <= _MAX_MANY and all(map(fits, value))
    )


def _is_port(value: object) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and value in range(1, _MAX_PORT + 1)


_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "kind": lambda value: value in (SSH, RDP),
    "secret": _text(_NAME),
    "host": lambda value: isinstance(value, str) and is_host(value),
    "port": _is_port,
    "username": _text(_USERNAME),
    "password": _text(_PASSWORD),
    "channels": _texts(_CHANNEL),
    "host_keys": _texts(_HOST_KEY),
    "certificate_fingerprints": _texts(_FINGERPRINT),
    "notice": _text(_NOTICE),
}
