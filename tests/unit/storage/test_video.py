import io
import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import av
import pytest
from samples.desktops import opaque, recorded, screenshot

from recorder.events import EndReason, KnownEvent, SessionEnded
from recorder.replay.frames import IDLE_MS, Shown, survey
from recorder.replay.rdp.bitmaps import PureDecoder
from storage import confined
from storage.encoder import KEYFRAME_MS, VideoEncoder, with_duration
from storage.errors import ChildLostError
from storage.video import Pictures, pieces


def session(name: str, still_ms: int = 0) -> tuple[list[KnownEvent], Shown]:
    """Return a session that ends `still_ms` after its last picture."""
    events = [*recorded(name)]
    end = SessionEnded(at_ms=events[-1].at_ms + still_ms, reason=EndReason.CLIENT_LEFT)
    events.append(end)
    shown = survey(events)
    assert shown is not None
    return events, shown


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
    events, shown = session("resized", still_ms=2 * IDLE_MS + 3000)
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
    assert len(keys) >= shown.duration_ms // (KEYFRAME_MS + IDLE_MS)
    assert noise(rows(decoded[-1], 800, 560), screenshot("resized")) < 25


def test_odd_sides_are_made_even():
    events, shown = session("shadow")
    odd = Shown(shown.width_px - 1, shown.height_px - 1, shown.duration_ms)
    encoder = VideoEncoder(odd, PureDecoder())
    film = encoder.feed(events[:40]) + encoder.finish()
    with av.open(io.BytesIO(film)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (
            640,
            480,
        )


def test_the_index_of_a_fragmented_film_tells_its_length():
    events, shown = session("shadow", still_ms=1)
    encoder = VideoEncoder(shown, PureDecoder())
    head = encoder.feed(events) + encoder.finish()
    at = head.find(b"mvhd")
    scale = int.from_bytes(head[at + 16 : at + 20], "big")
    assert int.from_bytes(head[at + 20 : at + 24], "big") * 1000 // scale == shown.duration_ms
    assert with_duration(b"no index", 5) == b"no index"


def test_a_storyboard_has_a_thumbnail_for_every_ten_seconds():
    events, shown = session("plain", still_ms=31_000)
    sheet = b"".join(pieces(events, shown, Pictures.STORYBOARD))
    with av.open(io.BytesIO(sheet)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (4 * 240, 150)


def test_what_cannot_be_encoded_is_said():
    events, _ = session("shadow")
    with pytest.raises(ChildLostError, match=r"\w+Error"):
        list(pieces(events, Shown(0, 0, 5), Pictures.VIDEO))


def test_a_process_that_takes_too_long_is_ended():
    events, shown = session("shadow")
    with pytest.raises(ChildLostError, match="too long"):
        list(pieces(events, shown, Pictures.VIDEO, limit_s=0.0))


def try_everything(pipe: Connection, there: str) -> None:
    """Say what of this a confined process is refused."""
    path = Path(there)
    attempts = {
        "network": socket.socket,
        "program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
        "process": os.fork,
        "write": lambda: path.write_text("x"),
        "remove": path.unlink,
        "signal": lambda: os.kill(os.getppid(), 0),
        "read": path.read_text,
    }
    refused = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            refused.append(name)
    pipe.send_bytes(" ".join(refused).encode())
    pipe.recv_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "there"
    path.write_text("before")
    yield path
    assert path.read_text() == "before"


def test_a_confined_process_has_no_network_and_starts_and_changes_nothing(file: Path):
    process, pipe = confined.start(try_everything, str(file), "trying")
    try:
        assert pipe.recv_bytes() == b"network program process write remove signal"
    finally:
        confined.stop(process, pipe)
