import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.replay.screen_filter import ScreenFilter

HARMLESS = re.compile(
    r"[^\x00-\x1f\x7f-\x9f]"
    r"|[\b\t\n\v\f\r\x0e\x0f]"
    r"|\x1b[78DEHM]"
    r"|\x1b[()*+][0-9A-Za-z]"
    r"|\x1b#[34568]"
    r"|\x1b\[[0-9;:]*m"
    r"|\x1b\[4[hl]"
    r"|\x1b\[[0-2]?J"
    r"|\x1b\[[su]"
    r"|\x1b\[[0-9]{0,4}T"
    r"|\x1b\[[0-9;]*[@ABCDEFGHIKLMPSXZ`abdefgr]"
    r"|\x1b\[\?(5|6|7|12|25|47|1047|1048|1049)[hl]"
    r"|\x1b\[\?[0-2]?[JK]"
    r"|\x1b\[[0-6]? q"
)
"""All that may come out: written down apart from the filter, as its judge."""

pieces_of_sequences = st.sampled_from(
    [b"\x1b", b"[", b"]", b"P", b"?", b";", b":", b"1", b"1049", b"2004", b"h", b"l", b"m",
     b"52;c;", b"\x07", b"\x9b", b"\x9d", b"\xc2\x9b", b"\xc2\x9d", b"\xc2", b"\\", b"\x18",
     b"n", b"c", b"t", b"q", b"$", b" ", b">", b"!", b"p", b"J", b"3", b"\x0e", b"\x05",
     b"text", "\u00e9\u4e16".encode(), b"\xff", b"\x00", b"\x7f", b"u", b"s", b"T", b"r"]
)  # fmt: skip
streams = st.lists(pieces_of_sequences | st.binary(max_size=4), max_size=60).map(b"".join)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({min(place, len(stream)) for place in places})
    return [stream[a:b] for a, b in zip([0, *marks], [*marks, len(stream)], strict=True)]


@given(streams)
def test_nothing_that_acts_outside_the_screen_comes_out(stream: bytes) -> None:
    screen = ScreenFilter()
    passed = (screen.feed(stream) + screen.reset()).decode()
    assert HARMLESS.sub("", passed) == ""


@given(streams, st.lists(st.integers(0, 200), max_size=8))
def test_how_the_stream_is_cut_makes_no_difference(stream: bytes, places: list[int]) -> None:
    whole, screen = ScreenFilter(), ScreenFilter()
    pieces = b"".join(screen.feed(piece) for piece in cut(stream, places))
    assert pieces + screen.reset() == whole.feed(stream) + whole.reset()


@given(streams)
def test_what_has_passed_passes_again(stream: bytes) -> None:
    passed = ScreenFilter().feed(stream)
    assert ScreenFilter().feed(passed) == passed


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_passes_as_it_is(text: str) -> None:
    assert ScreenFilter().feed(text.encode()) == text.encode()


@pytest.mark.parametrize("size", [1, 7, 4096])
@given(streams)
def test_after_the_reset_nothing_is_left_to_put_back(size: int, stream: bytes) -> None:
    screen = ScreenFilter()
    for at in range(0, len(stream), size):
        screen.feed(stream[at : at + size])
    screen.reset()
    assert screen.reset() == b"\x1b[0m"
