import struct

import pytest
from samples.chunks import chunk
from samples.desktops import recorded, screenshot

from recorder.events import (
    ClientData,
    DesktopStarted,
    EndReason,
    KnownEvent,
    RecordingGap,
    SessionEnded,
    TargetData,
)
from recorder.replay.comprehend import comprehend
from recorder.replay.frames import FRAME_MS, IDLE_MS, Frames, Shown, pointer_in, survey
from recorder.replay.rdp.bitmaps import PureDecoder
from recorder.replay.rdp.framebuffer import Framebuffer
from recorder.replay.salvage import Resumed

STARTED = DesktopStarted(
    at_ms=300,
    channel=0,
    width_px=4,
    height_px=2,
    colour_depth_bits=32,
    keyboard_layout=0x409,
    keyboard_type=4,
    compression=0,
    static_channels=(),
    io_channel=1003,
    user_channel=1007,
)


def painted(at_ms: int, shade: int) -> TargetData:
    """Return a FastPath PDU that fills the desktop of four by two."""
    body = struct.pack("<HH9H", 1, 1, 0, 0, 3, 1, 4, 2, 32, 0, 32) + bytes((shade,)) * 32
    update = bytes((1,)) + struct.pack("<H", len(body)) + body
    return TargetData(at_ms=at_ms, channel=0, data=bytes((0, len(update) + 2)) + update)


def activated(width: int, height: int) -> TargetData:
    """Return a Demand Active PDU with a Bitmap Capability Set alone."""
    capability = struct.pack("<HHHHHHHH", 2, 16, 32, 1, 1, 1, width, height)
    body = (
        struct.pack("<IHH", 1, 0, 4 + len(capability)) + struct.pack("<HH", 1, 0) + capability
    )
    control = struct.pack("<HHH", 6 + len(body), 0x11, 1002) + body
    mcs = bytes((26 << 2,)) + struct.pack(">HHBH", 6, 1003, 0x70, 0x8000 | len(control))
    pdu = b"\x02\xf0\x80" + mcs + control
    return TargetData(at_ms=400, channel=0, data=struct.pack(">BBH", 3, 0, 4 + len(pdu)) + pdu)


def frames_of(*events: KnownEvent | Resumed) -> list[tuple[int, int]]:
    """Return the time and the first byte of each frame."""
    made: list[tuple[int, int]] = []
    frames = Frames(PureDecoder(), lambda at_ms, shown: made.append((at_ms, shown.pixels[0])))
    for event in events:
        frames.take(event)
    return made


def test_a_frame_shows_all_that_happened_up_to_its_time_and_none_comes_early():
    assert frames_of(
        STARTED,
        painted(1000, 10),
        painted(1001, 20),
        painted(1001 + FRAME_MS, 30),
        painted(5000, 40),
        SessionEnded(at_ms=6000, reason=EndReason.CLIENT_LEFT),
    ) == [
        (0, 0),
        (1000, 10),
        (1000 + FRAME_MS, 20),
        (1000 + 2 * FRAME_MS, 30),
        (5000, 40),
        (6000, 40),
    ]


def test_a_still_desktop_has_a_frame_now_and_then():
    end = SessionEnded(at_ms=2 * IDLE_MS + 500, reason=EndReason.CLIENT_LEFT)
    assert frames_of(STARTED, end) == [(0, 0), (IDLE_MS, 0), (2 * IDLE_MS, 0), (end.at_ms, 0)]


def test_though_something_changes_now_and_then_there_is_a_frame_every_ten_seconds():
    end = SessionEnded(at_ms=2 * IDLE_MS + 500, reason=EndReason.CLIENT_LEFT)
    late = IDLE_MS + FRAME_MS // 2
    assert frames_of(STARTED, painted(9000, 10), painted(late, 20), end) == [
        (0, 0),
        (9000, 10),
        (IDLE_MS, 10),
        (IDLE_MS + FRAME_MS, 20),
        (2 * IDLE_MS, 20),
        (end.at_ms, 20),
    ]


def test_where_the_pointer_is_wanted_it_shows_where_the_client_has_it():
    made: list[tuple[int, bytes]] = []
    frames = Frames(
        PureDecoder(),
        lambda at_ms, shown: made.append((at_ms, bytes(shown.pixels[:4]))),
        with_pointer=True,
    )
    at_corner = b"\x04\x09\x20\x00\x08\x00\x00\x00\x00"
    for event in (
        STARTED,
        painted(1000, 10),
        ClientData(at_ms=2000, channel=0, data=at_corner),
        SessionEnded(at_ms=3000, reason=EndReason.CLIENT_LEFT),
    ):
        frames.take(event)
    black, grey = b"\0\0\0\xff", b"\x0a\x0a\x0a\xff"
    assert made == [(0, black), (1000, grey), (2000, black), (3000, black)]
    assert pointer_in(b"\x01noise", 1003) is None


def test_from_where_events_are_missing_a_pattern_is_shown_and_not_what_was_there():
    unknown = 0x60
    gap = RecordingGap(at_ms=4000, from_ms=2000, reason="a chunk is missing")
    end = SessionEnded(at_ms=6000, reason=EndReason.CLIENT_LEFT)
    assert frames_of(STARTED, painted(1000, 10), gap, painted(5000, 20), end) == [
        (0, 0),
        (1000, 10),
        (2000, unknown),
        (5000, 20),
        (6000, 20),
    ]


def test_behind_a_gap_a_kept_state_says_at_once_what_is_shown():
    before = chunk([STARTED, painted(3000, 30)])
    resumed = Resumed(4000, comprehend(None, before.encoded, before.data_key).state)
    gap = RecordingGap(at_ms=4000, from_ms=2000, reason="a chunk is missing")
    end = SessionEnded(at_ms=6000, reason=EndReason.CLIENT_LEFT)
    events = (STARTED, painted(1000, 10), gap, resumed, painted(5000, 20), end)
    assert frames_of(*events)[2:] == [(2000, 0x60), (4000, 30), (5000, 20), (6000, 20)]
    # Whatever is lost of the beginning, the size is known.
    assert survey([gap, resumed, end]) == Shown(4, 2, 6000)
    assert frames_of(gap, resumed, end) == [(4000, 30), (6000, 30)]
    assert frames_of(STARTED, Resumed(4000, b"no state"), end)[-1] == (6000, 0)


def test_a_session_without_a_desktop_has_no_frames():
    end = SessionEnded(at_ms=5, reason=EndReason.CLIENT_LEFT)
    assert frames_of(painted(1, 7), end) == []
    assert survey([painted(1, 7), end]) is None


def test_a_session_of_which_only_keys_were_recorded_shows_nothing():
    keys = ClientData(at_ms=400, channel=0, data=b"")
    end = SessionEnded(at_ms=500, reason=EndReason.CLIENT_LEFT)
    assert survey([STARTED, keys, end]) is None


def test_a_survey_finds_the_largest_desktop_each_way():
    assert survey([STARTED, activated(2, 9), painted(900, 1)]) == Shown(4, 9, 900)


@pytest.mark.parametrize("size", [(65535, 65535), (0, 9), (16384, 16384)])
def test_a_survey_leaves_out_what_no_desktop_is(size: tuple[int, int]):
    assert survey([STARTED, activated(*size)]) == Shown(4, 2, 400)


def test_the_last_frame_of_a_recorded_session_is_what_its_client_showed():
    last: list[bytes] = []

    def keep(at_ms: int, framebuffer: Framebuffer) -> None:
        last[:] = [bytes(framebuffer.pixels)]

    frames = Frames(PureDecoder(), keep)
    for event in recorded("resized"):
        frames.take(event)
    frames.finish(10_000)
    assert last == [screenshot("resized")]
