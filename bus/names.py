"""The two kinds of user name that a gateway is shown, told apart by their form alone.

A generated one, of a proxy credential, is thirteen characters of an alphabet of its own. All
others are people's, perhaps with the name of a secret behind: `alice%web01`. Nobody has to be
asked which it is, so the answer costs nothing and tells a stranger nothing.
"""

import re
from typing import Final

from msgspec import Struct

HANDLE_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""No look-alikes (i l o 0 1): people type this one."""
HANDLE_CHARACTERS: Final = 13
"""64 bits: no two meet, and none is guessed."""
SEPARATOR: Final = "%"
"""Not in any name, and left alone by shells, by scp and by rsync; `:` is not."""

_HANDLE = re.compile(f"[{HANDLE_ALPHABET}]{{{HANDLE_CHARACTERS}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class OwnName(Struct, frozen=True):
    """Somebody's own name, and the secret he wants at once."""

    user: str
    secret: str | None = None


def is_generated(name: str) -> bool:
    """Say whether `name` has the form of a proxy credential's user name."""
    return _HANDLE.fullmatch(name) is not None


def own_name(name: str) -> OwnName | None:
    """Read `user` or `user%secret`; None where that is not what it is.

    No name holds a character that would have to be escaped, so one that does is refused and
    never taken apart in another way.
    """
    user, separator, secret = name.partition(SEPARATOR)
    parts = (user, secret) if separator else (user,)
    if not all(_NAME.fullmatch(part) for part in parts):
        return None
    return OwnName(*parts)
