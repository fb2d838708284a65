import io
from itertools import pairwise

import av
import pytest
from msgspec import Struct
from samples.chunks import data_key
from samples.desktops import desktop_chunks, ended, opaque, screenshot

from recorder.replay.comprehend import comprehend
from recorder.replay.frames import FRAME_MS, IDLE_MS, Shown, survey
from recorder.replay.salvage import Salvage
from storage.encoder import KEYFRAME_MS
from storage.errors import ChildLostError
from storage.video import Pictures, pieces


class Kept(Struct):
    """A chunk as the store hands it out."""

    encoded: bytes
    data_key: bytes
    state: bytes = b""


def noise(one: bytes, other: bytes) -> float:
    """Return the mean squared difference of two pictures."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / len(one)


def rows(frame: av.VideoFrame, width: int, height: int) -> bytes:
    picture = frame.reformat(format="bgr0", src_colorspace="ITU601")
    data, stride = bytes(picture.planes[0]), picture.planes[0].line_size
    return opaque(
        b"".join(data[row * stride : row * stride + 4 * width] for row in range(height))
    )


def test_a_video_shows_the_session_at_its_times():
    events, shown = ended("resized", still_ms=2 * IDLE_MS + 3000)
    film = b"".join(pieces(events, shown, Pictures.VIDEO))
    with av.open(io.BytesIO(film)) as container:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        assert stream.codec_context.name == "vp9"
        assert (stream.width, stream.height) == (800, 560)
        assert container.duration is not None
        assert abs(container.duration / 1000 - shown.duration_ms) <= 1000
        decoded = list(container.decode(stream))
    times = [round(frame.time * 1000) for frame in decoded if frame.time is not None]
    assert times[0] == 0
    assert times[-1] == shown.duration_ms
    assert min(later - before for before, later in pairwise(times)) >= 100
    keys = [round((frame.time or 0) * 1000) for frame in decoded if frame.key_frame]
    assert keys[0] == 0
    gaps = [later - before for before, later in pairwise([*keys, times[-1]])]
    assert max(gaps) <= KEYFRAME_MS + FRAME_MS
    assert noise(rows(decoded[-1], 800, 560), screenshot("resized")) < 25


def test_behind_a_lost_chunk_it_shows_what_the_store_kept_of_the_desktop():
    chunks = desktop_chunks("mppc", 20)
    state = b""
    for one in chunks[:4]:
        state = comprehend(state or None, one.encoded, one.data_key).state
    survived = [Kept(one.encoded, data_key(one)) for one in chunks]
    survived[4].state = state
    del survived[3]
    events = list(Salvage(survived).events())
    shown = survey(events)
    assert shown is not None
    film = b"".join(pieces(events, shown, Pictures.VIDEO))
    with av.open(io.BytesIO(film)) as container:
        *_, last = container.decode(video=0)
    seen = rows(last, shown.width_px, shown.height_px)
    assert noise(seen, screenshot("mppc")) < 25


def test_a_storyboard_has_a_thumbnail_for_every_ten_seconds():
    events, shown = ended("plain", still_ms=31_000)
    sheet = b"".join(pieces(events, shown, Pictures.STORYBOARD))
    with av.open(io.BytesIO(sheet)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (4 * 240, 150)


def test_what_cannot_be_encoded_is_said():
    events, _ = ended("shadow")
    with pytest.raises(ChildLostError, match=r"\w+Error"):
        list(pieces(events, Shown(0, 0, 5), Pictures.VIDEO))


def test_a_process_that_takes_too_long_is_ended():
    events, shown = ended("shadow")
    with pytest.raises(ChildLostError, match="too long"):
        list(pieces(events, shown, Pictures.VIDEO, limit_s=0.0))
