"""Which virtual channels a secret lets through, in the operator's words.

A static channel that is not let through does not exist on the target: it is left out of what
the client asks for. So the clipboard is all that there is by default, and of that only text.
Of what is within a channel that is let through, only what the words name crosses.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocols.rdp import clipboard_policy, device_channel, dynamic_channel, sound_channel
from protocols.rdp.channel_terms import ChannelTerms
from protocols.rdp.clipboard_policy import ClipboardTerms, May
from protocols.rdp.device_policy import DeviceTerms

REDIRECTION: Final = "redirection"
OLD_TLS: Final = "old-tls"
_CLIPBOARD: Final = frozenset({clipboard_policy.CHANNEL_NAME})
_DEVICES: Final = frozenset({device_channel.CHANNEL_NAME})
_DYNAMIC: Final = frozenset({dynamic_channel.CHANNEL_NAME})
_SOUND: Final = frozenset({sound_channel.CHANNEL_NAME, "snddbg"})

WORDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "clipboard": _CLIPBOARD,
        "clipboard-in": _CLIPBOARD,
        "clipboard-out": _CLIPBOARD,
        "clipboard-rich": _CLIPBOARD,
        "clipboard-rich-in": _CLIPBOARD,
        "clipboard-rich-out": _CLIPBOARD,
        "drives": _DEVICES,
        "drives-in": _DEVICES,
        "drives-out": _DEVICES,
        "printers": _DEVICES,
        # Windows plays sound only where there is a channel for devices, if one without any.
        "audio": _SOUND | _DEVICES | _DYNAMIC,
        "microphone": _DYNAMIC,
        "dynamic": _DYNAMIC,
        REDIRECTION: frozenset(),
        OLD_TLS: frozenset(),
    }
)
"""No word lets ports or smart cards through, though they share a channel with drives
([MS-RDPEFS] 1.1): nobody could say what crossed. Redirection opens none: the proxy itself may
follow a target that sends it to another host. Nor does old TLS, which is for the way to the
target."""
DYNAMIC_CHANNELS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "audio": frozenset({sound_channel.DYNAMIC_NAME}),
        "microphone": frozenset({"AUDIO_INPUT"}),
        "dynamic": frozenset({"ECHO", "Microsoft::Windows::RDS::DisplayControl"}),
    }
)
"""By their names ([MS-RDPEA] 2.1, [MS-RDPEAI] 2.1, [MS-RDPEECO] 2.1, [MS-RDPEDISP] 2.1).
Pictures, video, USB devices, cameras and what else there is reach no recording's picture."""
DEFAULT: Final = ("clipboard",)
_TO_TARGET, _TO_CLIENT = "-in", "-out"


def static_channels(words: frozenset[str]) -> frozenset[str]:
    """Return the names of the static channels that `words` let through, in small letters."""
    return frozenset().union(*(WORDS.get(word, frozenset()) for word in words))


def channel_terms(words: frozenset[str]) -> ChannelTerms:
    """Return what may cross of them: in is to the target, out is to the client."""
    drives = {"drives"}
    return ChannelTerms(
        clipboard=ClipboardTerms(
            to_target=_may(words, _TO_TARGET), to_client=_may(words, _TO_CLIENT)
        ),
        devices=DeviceTerms(
            to_target=bool(words & {*drives, f"drives{_TO_TARGET}"}),
            to_client=bool(words & {*drives, f"drives{_TO_CLIENT}"}),
            printers="printers" in words,
        ),
        dynamic=frozenset().union(*(DYNAMIC_CHANNELS.get(word, frozenset()) for word in words)),
    )


def _may(words: frozenset[str], direction: str) -> May:
    if words & {"clipboard-rich", f"clipboard-rich{direction}"}:
        return May.ALL_BUT_FILES
    return May.TEXT if words & {"clipboard", f"clipboard{direction}"} else May.NOTHING
