import pytest

from recorder.events import NoticeShown, TargetData, TargetErrorData
from recorder.replay.drawing import drawing_of


@pytest.mark.parametrize("kind", [TargetData, TargetErrorData])
def test_a_terminal_gets_the_bytes_as_they_came(kind):
    event = kind(at_ms=0, channel=0, data=b"one\r\ntwo\n\xff")
    assert drawing_of(event, has_terminal=True) == b"one\r\ntwo\n\xff"


@pytest.mark.parametrize("kind", [TargetData, TargetErrorData])
def test_without_a_terminal_a_line_feed_begins_a_line(kind):
    event = kind(at_ms=0, channel=0, data=b"one\ntwo\n")
    assert drawing_of(event, has_terminal=False) == b"one\r\ntwo\r\n"


def test_what_proxyd_told_the_user_stands_on_a_line_of_its_own():
    event = NoticeShown(at_ms=0, channel=0, text="time is up")
    assert drawing_of(event, has_terminal=True) == b"\r\ntime is up\r\n"
