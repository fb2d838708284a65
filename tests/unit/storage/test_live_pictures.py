from collections.abc import Iterator

import pytest
from samples.desktops import recorded

from recorder.events import encode_burst
from storage.errors import ChildLostError
from storage.live_pictures import LivePictures

PNG = b"\x89PNG"


@pytest.fixture
def pictures() -> Iterator[LivePictures]:
    made = LivePictures()
    yield made
    made.stop()


def test_a_picture_is_made_where_something_changed(pictures: LivePictures) -> None:
    events = list(recorded("shadow"))
    assert pictures.picture() is None
    pictures.take([encode_burst([event]) for event in events])
    picture = pictures.picture()
    assert picture is not None
    assert picture.png.startswith(PNG)
    assert picture.at_ms == events[-1].at_ms
    assert pictures.picture() is None
    pictures.lose()
    assert pictures.picture() is not None


def test_what_cannot_be_read_is_told_and_the_process_lives_on(pictures: LivePictures) -> None:
    with pytest.raises(ChildLostError, match="CorruptChunkError"):
        pictures.take_chunk(b"noise", b"")
    assert pictures.picture() is None


def test_a_process_that_is_gone_is_told() -> None:
    pictures = LivePictures()
    pictures.stop()
    with pytest.raises(ChildLostError, match="died"):
        pictures.picture()
