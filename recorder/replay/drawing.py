"""What an event puts on the user's terminal."""

from recorder.events import NoticeShown, TargetData, TargetErrorData

Drawn = TargetData | TargetErrorData | NoticeShown
"""The kinds that draw something."""


def drawing_of(event: Drawn, *, has_terminal: bool) -> bytes:
    """Return the bytes that draw `event`, as they came.

    Without a terminal on the target nothing has turned line feeds into new lines, so
    that is done here.
    """
    if isinstance(event, NoticeShown):
        return f"\r\n{event.text}\r\n".encode()
    return event.data if has_terminal else event.data.replace(b"\n", b"\r\n")
