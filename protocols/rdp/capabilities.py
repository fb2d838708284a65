"""What both sides may speak: nothing but what a recording can be drawn from later.

Drawing orders, caches, codecs, single windows and surface commands are taken out of what each
side says it can do, so that only bitmaps remain. What a client must send says "none"; the
rest is left out. Frame Acknowledge stays: without it xorgxrdp stops after the first frames.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.rdp.wire.capability_sets import Active, Capability, Sets

_WINDOWS: Final = frozenset(
    {Capability.REMOTE_PROGRAMS, Capability.WINDOW_LIST, Capability.DESKTOP_COMPOSITION}
)
"""Single windows and their composition, drawn by orders that no set of orders governs."""
_CLIENT_LACKS: Final = _WINDOWS | {
    Capability.BITMAP_CODECS,
    Capability.NINE_GRID,
    Capability.GDI_PLUS,
    Capability.BITMAP_CACHE_2,
}
_TARGET_LACKS: Final = _WINDOWS | {Capability.BITMAP_CODECS, Capability.BITMAP_CACHE_HOST}
_NO_CACHE: Final = (int(Capability.BITMAP_CACHE), bytes(36))
"""Caches without a place in them."""

_ORDER_FLAGS: Final = slice(30, 32)
_ORDER_SUPPORT: Final = slice(32, 64)
_ORDER_EXTENSIONS: Final = slice(66, 68)
_NEGOTIATE_AND_ZERO_BOUNDS: Final = b"\x0a\x00"
"""The two flags that every client must set ([MS-RDPBCGR] 2.2.7.1.3)."""
_GLYPH_LEVEL: Final = slice(44, 46)
_EXTRA_FLAGS: Final = slice(10, 12)
_AUTO_RECONNECT: Final = 0x0008

_Rule = Callable[[bytearray], None]


def _general(body: bytearray) -> None:
    """Ask for no auto-reconnect cookie: it opens a session without a password."""
    flags = int.from_bytes(body[_EXTRA_FLAGS], "little") & ~_AUTO_RECONNECT
    body[_EXTRA_FLAGS] = flags.to_bytes(2, "little")


def _order(body: bytearray) -> None:
    body[_ORDER_FLAGS] = _NEGOTIATE_AND_ZERO_BOUNDS
    body[_ORDER_SUPPORT] = bytes(32)
    body[_ORDER_EXTENSIONS] = bytes(2)


def _glyph(body: bytearray) -> None:
    body[_GLYPH_LEVEL] = bytes(2)


def _nothing(body: bytearray) -> None:
    body[:] = bytes(len(body))


def _no_flags(body: bytearray) -> None:
    body[:4] = bytes(4)


_BYTES: Final[Mapping[int, int]] = MappingProxyType(
    {
        Capability.GENERAL: 20,
        Capability.ORDER: 84,
        Capability.GLYPH_CACHE: 48,
        Capability.BITMAP_CACHE: 36,
        Capability.OFFSCREEN_CACHE: 8,
        Capability.SURFACE_COMMANDS: 4,
        Capability.VIRTUAL_CHANNEL: 4,
    }
)
"""What a set must hold to be changed ([MS-RDPBCGR] 2.2.7); a shorter one is left out."""
_CLIENT_RULES: Final[Mapping[int, _Rule]] = MappingProxyType(
    {
        Capability.GENERAL: _general,
        Capability.ORDER: _order,
        Capability.GLYPH_CACHE: _glyph,
        # These two belong to the sets that every client must send (2.2.1.13.2.1).
        Capability.BITMAP_CACHE: _nothing,
        Capability.OFFSCREEN_CACHE: _nothing,
        Capability.SURFACE_COMMANDS: _no_flags,
        # Virtual channels are not compressed: what crosses them is recorded as it is.
        Capability.VIRTUAL_CHANNEL: _no_flags,
    }
)
_TARGET_RULES: Final[Mapping[int, _Rule]] = MappingProxyType(
    {Capability.GENERAL: _general, Capability.VIRTUAL_CHANNEL: _no_flags}
)


def confirm_active(share: bytes) -> bytes:
    """Return a client's Confirm Active as the target is to see it."""
    active = Active.read(share, confirm=True)
    reduced = _reduced(active.sets, _CLIENT_LACKS, _CLIENT_RULES)
    if Capability.BITMAP_CACHE_2 in dict(active.sets) and _NO_CACHE not in reduced:
        # Either of the two must be there (2.2.7.1.4), and this one can say "none".
        reduced.append(_NO_CACHE)
    return active.write(reduced)


def demand_active(share: bytes) -> bytes:
    """Return a target's Demand Active as the client is to see it."""
    active = Active.read(share, confirm=False)
    return active.write(_reduced(active.sets, _TARGET_LACKS, _TARGET_RULES))


def _reduced(
    sets: tuple[tuple[int, bytes], ...],
    lacking: frozenset[Capability],
    rules: Mapping[int, _Rule],
) -> Sets:
    reduced: Sets = []
    for kind, body in sets:
        if kind in lacking or len(body) < _BYTES.get(kind, 0):
            continue
        changed = bytearray(body)
        if kind in rules:
            rules[kind](changed)
        reduced.append((kind, bytes(changed)))
    return reduced
