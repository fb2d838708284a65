"""What a relay records, and the numbers that both sides of one have."""

from samples.rdp import crossing

from recorder.errors import RecordingLostError
from recorder.events import ClientData, EndReason, KnownEvent, TargetData

USER, CLIPBOARD, DRIVES = 1006, 1005, 1004
THEIR_USER, THEIR_CLIPBOARD = 1010, 1020
PASTED = crossing(b"paste")
COPIED = crossing(b"copy")
KEY = b"\x04\x04\x00\x1e"
"""FastPath: the key A is pressed."""


class Sink:
    """Keeps what is recorded; loses everything once told to."""

    congested = False

    def __init__(self) -> None:
        self.events: list[KnownEvent] = []
        self.lost = False

    def at_ms(self) -> int:
        return 1234

    def record(self, events: list[KnownEvent]) -> None:
        if self.lost:
            raise RecordingLostError("the disk is full")
        self.events += events

    async def drain(self) -> None:
        """Nothing waits."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Nothing to close."""


def recorded(sink: Sink) -> list[bytes]:
    return [event.data for event in sink.events if isinstance(event, ClientData | TargetData)]
