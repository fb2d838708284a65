"""The contents of files that crossed, read out of what a recording has kept of their channels.

The ledgers do it again, on the recorded bytes, and keep what they digest.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from protocols.contents import Stream
from protocols.ssh.files import Ledger, ledger_for
from protocols.ssh.touched_files import TouchedFiles
from recorder.events import (
    CaptureTruncated,
    ChannelClosed,
    ChannelId,
    ChannelRequested,
    ClientData,
    FileTouched,
    KnownEvent,
    RecordingGap,
    TargetData,
)

FILE_LIMIT_BYTES: Final = 1024**3
"""A larger file is not put together: it has to be in memory."""

Kept = tuple[FileTouched, bytes]


class _KeepingStream(Stream):
    """Keeps what it digests."""

    __slots__ = ("contents",)

    def __init__(self) -> None:
        super().__init__()
        self.contents = bytearray()

    def take(self, piece: memoryview | bytes) -> None:
        """Count, digest and keep the next contents."""
        super().take(piece)
        if len(self.contents) < FILE_LIMIT_BYTES:
            self.contents += piece


class _KeptFiles(TouchedFiles):
    """Adds each file whose contents crossed whole to `kept`."""

    new_stream = _KeepingStream

    def __init__(self, kept: list[Kept], channel: int) -> None:
        super().__init__(channel)
        self._kept = kept

    def over(self, touched: FileTouched, stream: Stream) -> None:
        """Keep the contents."""
        # Without a digest nobody could say that these are the bytes.
        if isinstance(stream, _KeepingStream) and touched.sha256:
            contents = bytes(stream.contents)
            if len(contents) == touched.size_bytes:
                self._kept.append((touched, contents))


def kept_files(events: Iterable[KnownEvent]) -> Iterator[Kept]:
    """Yield each file whose contents were recorded whole, as it was over.

    A channel is given up where its recording was: behind that nothing is whole.
    """
    ledgers: dict[ChannelId, Ledger] = {}
    kept: list[Kept] = []
    new_touched = partial(_KeptFiles, kept)
    for event in events:
        match event:
            case ChannelRequested(channel=channel):
                made = ledger_for(event.request, event.detail, channel, new_touched)
                if made:
                    ledgers[channel] = made
            case ClientData(channel=channel) if channel in ledgers:
                ledgers[channel].client(event.at_ms, event.data)
                yield from _taken(kept)
            case TargetData(channel=channel) if channel in ledgers:
                ledgers[channel].target(event.at_ms, event.data)
                yield from _taken(kept)
            case CaptureTruncated(channel=channel) | ChannelClosed(channel=channel):
                ledgers.pop(channel, None)
            case RecordingGap():
                ledgers.clear()
            case _:
                pass


def _taken(kept: list[Kept]) -> list[Kept]:
    taken = kept.copy()
    kept.clear()
    return taken
