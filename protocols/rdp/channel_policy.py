"""Which static virtual channels a secret lets through, in the operator's words.

A channel that is not let through does not exist on the target: it is left out of what the
client asks for. So the clipboard is all that there is by default, and of that only text.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocols.rdp.clipboard_policy import CHANNEL_NAME, ClipboardTerms, May

REDIRECTION: Final = "redirection"

WORDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "clipboard": frozenset({CHANNEL_NAME}),
        "clipboard-in": frozenset({CHANNEL_NAME}),
        "clipboard-out": frozenset({CHANNEL_NAME}),
        "clipboard-rich": frozenset({CHANNEL_NAME}),
        "clipboard-rich-in": frozenset({CHANNEL_NAME}),
        "clipboard-rich-out": frozenset({CHANNEL_NAME}),
        "drives": frozenset({"rdpdr"}),
        "audio": frozenset({"rdpsnd", "snddbg"}),
        "dynamic": frozenset({"drdynvc"}),
        REDIRECTION: frozenset(),
    }
)
"""Drives are printers, ports and smart cards, too: they share a channel ([MS-RDPEFS] 1.1).
Redirection opens none: the proxy itself may follow a target that sends it to another host."""
DEFAULT: Final = ("clipboard",)
_TO_TARGET, _TO_CLIENT = "-in", "-out"


def static_channels(words: frozenset[str]) -> frozenset[str]:
    """Return the names of the static channels that `words` let through, in small letters."""
    return frozenset().union(*(WORDS.get(word, frozenset()) for word in words))


def clipboard_terms(words: frozenset[str]) -> ClipboardTerms:
    """Return what may cross the clipboard: in is to the target, out is to the client."""
    return ClipboardTerms(to_target=_may(words, _TO_TARGET), to_client=_may(words, _TO_CLIENT))


def _may(words: frozenset[str], direction: str) -> May:
    if words & {"clipboard-rich", f"clipboard-rich{direction}"}:
        return May.ALL_BUT_FILES
    return May.TEXT if words & {"clipboard", f"clipboard{direction}"} else May.NOTHING
