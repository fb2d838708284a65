"""What is kept of a session."""

from recorder.events import ClientData, Event, TargetData, TargetErrorData
from recorder.session_info import RecordingMode


def keeps(mode: RecordingMode, event: Event) -> bool:
    """Say whether a recording in `mode` holds `event`. All but the data is always held."""
    match mode:
        case RecordingMode.EVERYTHING:
            return True
        case RecordingMode.KEYSTROKES:
            return not isinstance(event, TargetData | TargetErrorData)
        case RecordingMode.VIDEO:
            return not isinstance(event, ClientData)
        case RecordingMode.NOTHING:
            return not isinstance(event, ClientData | TargetData | TargetErrorData)
