import pytest
from samples.desktops import desktop_chunks, opaque, recorded, screenshot

from recorder.events import RecordingGap
from recorder.replay.comprehend import comprehend
from recorder.replay.live_desktop import LiveDesktop
from recorder.replay.rdp.bitmaps import PureDecoder


def pixels(desktop: LiveDesktop) -> bytes:
    assert desktop.framebuffer is not None
    return opaque(bytes(desktop.framebuffer.pixels))


def test_before_a_session_shows_a_desktop_there_is_no_picture() -> None:
    desktop = LiveDesktop(None, PureDecoder())
    assert desktop.framebuffer is None
    assert LiveDesktop(b"noise", PureDecoder()).framebuffer is None


@pytest.mark.parametrize("name", ["shadow", "mppc"])
def test_from_any_keyframe_on_the_picture_is_the_clients(name: str) -> None:
    chunks = desktop_chunks(name, 40)
    state = None
    for one in chunks[: len(chunks) // 2]:
        state = comprehend(state, one.encoded, one.data_key).state
    desktop = LiveDesktop(state, PureDecoder())
    before = desktop.drawn
    for one in chunks[len(chunks) // 2 :]:
        for event in one.unpack():
            desktop.take(event)
    assert pixels(desktop) == screenshot(name)
    assert desktop.drawn != before
    assert desktop.at_ms == recorded(name)[-1].at_ms


def test_a_gap_shows_as_one() -> None:
    desktop = LiveDesktop(None, PureDecoder())
    for event in recorded("shadow"):
        desktop.take(event)
    at_ms = desktop.at_ms
    desktop.take(RecordingGap(at_ms=at_ms, from_ms=at_ms, reason="lost"))
    assert pixels(desktop) != screenshot("shadow")
