"""Laws of what recorded desktops mean, over sessions with real peers."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from samples.chunks import INFO, chunk
from samples.desktops import Watched, recorded

from recorder.events import (
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
)
from recorder.replay.comprehend import Line, comprehend

SESSIONS = ("mppc", "shadow", "clip", "bpp16")


def understood(pieces: Sequence[Sequence[KnownEvent]]) -> list[Line]:
    lines: list[Line] = []
    state, previous = None, None
    for piece in pieces:
        previous = chunk(list(piece), previous)
        after = comprehend(state, previous.encoded, previous.data_key)
        state, lines = after.state, lines + after.lines
    return lines


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_lines_do_not_depend_on_where_chunks_are_cut(data: st.DataObject):
    name = data.draw(st.sampled_from(("shadow", "clip")))
    events: list[KnownEvent] = [SessionStarted(at_ms=0, info=INFO), *recorded(name)]
    events.append(SessionEnded(at_ms=events[-1].at_ms, reason=EndReason.CLIENT_LEFT))
    cuts = data.draw(st.sets(st.integers(1, len(events) - 1), max_size=4))
    edges = [0, *sorted(cuts), len(events)]
    pieces = [events[a:b] for a, b in pairwise(edges)]
    assert understood(pieces) == understood([events])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_pdus_raise_nothing_and_the_picture_stays_whole(data: st.DataObject):
    started, *events = recorded(data.draw(st.sampled_from(SESSIONS)))
    first = data.draw(st.integers(0, max(0, len(events) - 30)))
    watched = Watched().take((started,))
    for event in events[first : first + 30]:
        assert isinstance(event, TargetData | ClientData)
        watched.take((replace(event, data=damaged(data, event.data)),))
    framebuffer = watched.desktop.framebuffer
    assert framebuffer is not None
    assert len(framebuffer.pixels) == 4 * framebuffer.width_px * framebuffer.height_px
    watched.desktop.suspend()


def damaged(data: st.DataObject, pdu: bytes) -> bytes:
    """Return the PDU with a few bytes changed, a piece cut out, or as it was."""
    kind = data.draw(st.sampled_from(("as it was", "changed", "cut")))
    if kind == "as it was" or len(pdu) < 2:
        return pdu
    at = data.draw(st.integers(0, len(pdu) - 1))
    if kind == "cut":
        return pdu[:at] + pdu[at + data.draw(st.integers(1, 40)) :]
    changed = bytearray(pdu)
    for offset in range(data.draw(st.integers(1, 4))):
        changed[(at + 7 * offset) % len(pdu)] = data.draw(st.integers(0, 255))
    return bytes(changed)
