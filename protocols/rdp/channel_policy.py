"""Which static virtual channels a secret lets through, in the operator's words.

A channel that is not let through does not exist on the target: it is left out of what the
client asks for. So clipboard is all that there is by default.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REDIRECTION: Final = "redirection"

WORDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "clipboard": frozenset({"cliprdr"}),
        "drives": frozenset({"rdpdr"}),
        "audio": frozenset({"rdpsnd", "snddbg"}),
        "dynamic": frozenset({"drdynvc"}),
        REDIRECTION: frozenset(),
    }
)
"""Drives are printers, ports and smart cards, too: they share a channel ([MS-RDPEFS] 1.1).
Redirection opens none: the proxy itself may follow a target that sends it to another host."""
DEFAULT: Final = ("clipboard",)


def static_channels(words: frozenset[str]) -> frozenset[str]:
    """Return the names of the static channels that `words` let through, in small letters."""
    return frozenset().union(*(WORDS.get(word, frozenset()) for word in words))
