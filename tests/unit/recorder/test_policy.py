import pytest

from recorder.events import (
    ClientData,
    EndReason,
    SessionEnded,
    TargetData,
    TargetErrorData,
    UnknownEvent,
)
from recorder.policy import keeps
from recorder.session_info import RecordingMode

TYPED = ClientData(at_ms=0, channel=0, data=b"ls")
SHOWN = TargetData(at_ms=1, channel=0, data=b"file")
COMPLAINED = TargetErrorData(at_ms=1, channel=0, data=b"no such file")
ENDED = SessionEnded(at_ms=2, reason=EndReason.CLIENT_LEFT)
UNKNOWN = UnknownEvent(at_ms=3, body=b"\x92\xcc\xc8\x03")


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        (RecordingMode.EVERYTHING, [TYPED, SHOWN, COMPLAINED, ENDED, UNKNOWN]),
        (RecordingMode.KEYSTROKES, [TYPED, ENDED, UNKNOWN]),
        (RecordingMode.VIDEO, [SHOWN, COMPLAINED, ENDED, UNKNOWN]),
        (RecordingMode.NOTHING, [ENDED, UNKNOWN]),
    ],
)
def test_each_mode_keeps_what_it_says(mode, kept):
    happened = (TYPED, SHOWN, COMPLAINED, ENDED, UNKNOWN)
    assert [event for event in happened if keeps(mode, event)] == kept
