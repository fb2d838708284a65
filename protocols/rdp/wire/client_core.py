"""What a client says of itself: the CLIENT_CORE block ([MS-RDPBCGR] 2.2.1.3.2)."""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.x224 import Security

_WIDTH: Final = 4
_HEIGHT: Final = 6
_LAYOUT: Final = 12
_KEYBOARD_TYPE: Final = 52
_COLOUR_DEPTH: Final = 128
"""`postBeta2ColorDepth`, before there was `highColorDepth`."""
_HIGH_COLOUR_DEPTH: Final = 136
_EARLY_CAPABILITIES: Final = 140
_CONNECTION_KIND: Final = 206
_DETECTED, _LOCAL_NETWORK = 7, 6
_SELECTED_PROTOCOL: Final = 208
_MIN_BYTES: Final = 128
"""All that every client sends; what is behind may be cut off at any field."""


class EarlyCapability(enum.IntFlag):
    """`earlyCapabilityFlags`: what matters to the proxy."""

    WANT_32_BITS = 0x0002
    NETWORK_AUTODETECT = 0x0080
    GRAPHICS_PIPELINE = 0x0100
    HEARTBEAT = 0x0400
    SKIP_CHANNEL_JOIN = 0x0800


_NOT_FOR_THE_TARGET: Final = (
    # The graphics pipeline runs in a dynamic channel, autodetection and heartbeats in the
    # message channel: none of them is offered. And the proxy joins every channel.
    EarlyCapability.NETWORK_AUTODETECT
    | EarlyCapability.GRAPHICS_PIPELINE
    | EarlyCapability.HEARTBEAT
    | EarlyCapability.SKIP_CHANNEL_JOIN
)

_DEPTHS: Final = {0xCA00: 4, 0xCA01: 8, 0xCA02: 15, 0xCA03: 16, 0xCA04: 24}


class ClientCore(Struct, frozen=True, kw_only=True):
    """The client's screen and keyboard."""

    width_px: int
    height_px: int
    colour_depth_bits: int
    keyboard_layout: int
    """The input locale: 0x0407 is German ([MS-RDPBCGR] 2.2.1.3.2)."""
    keyboard_type: int

    @classmethod
    def read(cls, block: bytes | None) -> "ClientCore":
        """Read the block; raise where the client sent none."""
        if block is None or len(block) < _MIN_BYTES:
            raise RemoteProtocolError("no core data in the client's conference request")
        return cls(
            width_px=_u16(block, _WIDTH),
            height_px=_u16(block, _HEIGHT),
            colour_depth_bits=_depth(block),
            keyboard_layout=int.from_bytes(block[_LAYOUT : _LAYOUT + 4], "little"),
            keyboard_type=_u16(block, _KEYBOARD_TYPE),
        )


def for_target(block: bytes, selected: Security) -> bytes:
    """Return the block as the target is to see it, which chose `selected`."""
    changed = bytearray(block)
    if len(block) >= _EARLY_CAPABILITIES + 2:
        flags = _u16(block, _EARLY_CAPABILITIES) & ~_NOT_FOR_THE_TARGET
        changed[_EARLY_CAPABILITIES : _EARLY_CAPABILITIES + 2] = flags.to_bytes(2, "little")
    if len(block) > _CONNECTION_KIND and block[_CONNECTION_KIND] == _DETECTED:
        # A kind of network that is to be detected, by what was taken out above.
        changed[_CONNECTION_KIND] = _LOCAL_NETWORK
    if len(block) >= _SELECTED_PROTOCOL + 4:
        # A target compares this with its own choice, to find whoever stands between.
        changed[_SELECTED_PROTOCOL : _SELECTED_PROTOCOL + 4] = selected.to_bytes(4, "little")
    return bytes(changed)


def _depth(block: bytes) -> int:
    if len(block) < _EARLY_CAPABILITIES + 2:
        return _DEPTHS.get(_u16(block, _COLOUR_DEPTH), 8)
    if _u16(block, _EARLY_CAPABILITIES) & EarlyCapability.WANT_32_BITS:
        return 32
    return _u16(block, _HIGH_COLOUR_DEPTH)


def _u16(block: bytes, offset: int) -> int:
    return int.from_bytes(block[offset : offset + 2], "little")
