import io

import av
from samples.desktops import ended

from recorder.replay.frames import Shown
from recorder.replay.rdp.bitmaps import PureDecoder
from storage.encoder import VideoEncoder, with_duration


def test_odd_sides_are_made_even():
    events, shown = ended("shadow")
    odd = Shown(shown.width_px - 1, shown.height_px - 1, shown.duration_ms)
    encoder = VideoEncoder(odd, PureDecoder())
    film = encoder.feed(events[:40]) + encoder.finish()
    with av.open(io.BytesIO(film)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (
            640,
            480,
        )


def test_the_index_of_a_fragmented_film_tells_its_length():
    events, shown = ended("shadow", still_ms=1)
    encoder = VideoEncoder(shown, PureDecoder())
    head = encoder.feed(events) + encoder.finish()
    at = head.find(b"mvhd")
    scale = int.from_bytes(head[at + 16 : at + 20], "big")
    assert int.from_bytes(head[at + 20 : at + 24], "big") * 1000 // scale == shown.duration_ms
    assert with_duration(b"no index", 5) == b"no index"
