"""The events of a session with a terminal, made from what a real program sent."""

from collections.abc import Iterator

import msgspec
from samples.chunks import INFO, chunk, packed
from samples.typescripts import COLUMNS, ROWS

from recorder.chunk import Chunk, frame
from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    CommandExited,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
    encode_burst,
)

STEP_MS = 100
PIECE_BYTES = 97
"""Cuts characters and escape sequences in the middle."""


def terminal_events(shown: bytes, typed: bytes = b"ls\r") -> list[KnownEvent]:
    """Return a session whose terminal showed `shown`, a piece every `STEP_MS`."""
    events: list[KnownEvent] = [
        SessionStarted(at_ms=0, info=INFO),
        ChannelOpened(at_ms=10, channel=0, kind="session"),
        TerminalRequested(
            at_ms=20, channel=0, terminal="xterm-256color", columns=COLUMNS, rows=ROWS
        ),
        ChannelRequested(at_ms=30, channel=0, request="shell"),
        ClientData(at_ms=40, channel=0, data=typed),
    ]
    at_ms = 0
    for at_ms, piece in _pieces(shown):
        events.append(TargetData(at_ms=at_ms, channel=0, data=piece))
    return [
        *events,
        CommandExited(at_ms=at_ms + 10, channel=0, status=0),
        ChannelClosed(at_ms=at_ms + 20, channel=0),
        SessionEnded(at_ms=at_ms + 30, reason=EndReason.CLIENT_LEFT),
    ]


def chunks_of(events: list[KnownEvent], size: int = 10) -> list[Chunk]:
    """Return `events` cut into chunks of `size` events, each event a frame of its own."""
    chunks: list[Chunk] = []
    for start in range(0, len(events), size):
        some = events[start : start + size]
        frames = b"".join(frame(encode_burst([event])) for event in some)
        header = chunk(some, chunks[-1] if chunks else None).header
        whole = msgspec.structs.replace(header, frames_bytes=len(frames))
        chunks.append(packed(whole, frames))
    return chunks


def _pieces(shown: bytes) -> Iterator[tuple[int, bytes]]:
    for number, start in enumerate(range(0, len(shown), PIECE_BYTES)):
        yield 100 + number * STEP_MS, shown[start : start + PIECE_BYTES]
