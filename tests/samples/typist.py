"""Somebody who types at a masker, and a target that shows."""

from recorder.events import ClientData, InputMasked, KnownEvent
from recorder.masking import Masker


class Typist:
    """Types and shows, a little time apart, and collects what is recorded."""

    def __init__(self) -> None:
        self.masker = Masker(2)
        self.at_ms = 0
        self.events: list[KnownEvent] = []

    def type(self, data: bytes, after_ms: int = 100) -> None:
        self.at_ms += after_ms
        self.events += self.masker.typed(self.at_ms, data)

    def show(self, data: bytes, after_ms: int = 5) -> None:
        self.at_ms += after_ms
        self.events += self.masker.shown(self.at_ms, data)

    def wait(self, for_ms: int) -> None:
        self.at_ms += for_ms
        self.events += self.masker.tick(self.at_ms)

    def echoed(self, text: bytes) -> None:
        for key in text:
            self.type(bytes([key]))
            self.show(bytes([key]))

    def blind(self, text: bytes) -> None:
        for key in text:
            self.type(bytes([key]))

    def close(self) -> None:
        self.events += self.masker.flush(self.at_ms + 1)

    @property
    def kept(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, ClientData))

    @property
    def masks(self) -> int:
        return sum(isinstance(event, InputMasked) for event in self.events)
