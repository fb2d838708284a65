"""What a launch link may be: `proxyd://host[:port]/launch/<32 characters>`, and nothing else.

Anybody can put a link on any page, so all that one can say is which server to ask. Pure.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from clients.errors import UsageError

HTTPS_PORT: Final = 443
_MAX_PORT: Final = 65535
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST: Final = rf"{_LABEL}(\.{_LABEL})*"
"""A name or an IPv4 address: nothing that a program would take for an option."""
_MAX_HOST: Final = 253
_ADDRESS: Final = re.compile(
    rf"(?P<host>{HOST}|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\])(:(?P<port>[1-9][0-9]{{0,4}}))?"
)
_LINK: Final = re.compile(
    r"proxyd://(?P<address>[^/?#@\\]+)/launch/(?P<token>[A-Za-z0-9_-]{32})"
)
_SERVER: Final = re.compile(r"https://(?P<address>[^/?#@\\]+)/?")


@dataclass(frozen=True)
class Address:
    """Where a page is reached."""

    host: str
    """In lower case; of an IPv6 address without brackets."""
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Link:
    """A launch link that is one."""

    server: Address
    token: str = field(repr=False)

    def __str__(self) -> str:
        return f"proxyd://{self.server}/launch/{self.token}"


def parse_link(text: str) -> Link:
    """Return the link; raise `UsageError`, which does not repeat it."""
    found = _LINK.fullmatch(text)
    server = _address(found["address"]) if found else None
    if found is None or server is None:
        raise UsageError(
            "this is no launch link: it must be proxyd://HOST[:PORT]/launch/ and 32 letters "
            "and digits; click the button of the page again"
        )
    return Link(server, found["token"])


def parse_server(text: str) -> Address:
    """Return the page at `https://host[:port]`; raise `UsageError`."""
    found = _SERVER.fullmatch(text)
    server = _address(found["address"]) if found else None
    if server is None:
        raise UsageError(f"{text!r} is no page: write it as https://HOST[:PORT]")
    return server


def is_host(text: str) -> bool:
    """Say whether it is a name or an address that is safe as a word of a command."""
    if ":" in text:
        return _is_v6(text)
    return len(text) <= _MAX_HOST and re.fullmatch(HOST, text) is not None


def _address(text: str) -> Address | None:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    host = (found["v6"] or found["host"]).lower()
    port = int(found["port"] or HTTPS_PORT)
    return Address(host, port) if is_host(host) and port <= _MAX_PORT else None


def _is_v6(text: str) -> bool:
    try:
        # A zone ("%eth0") is for this machine alone to say.
        return "%" not in text and bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False
