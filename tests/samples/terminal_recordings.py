"""The recordings of tests/data/terminal as sessions: what was shown, and what was typed."""

import json
from pathlib import Path

from msgspec import Struct
from samples.chunks import INFO, chunk

from recorder.chunk import Chunk
from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
)
from recorder.replay.comprehend import Line, comprehend

_FOLDER = Path(__file__).parents[1] / "data" / "terminal"
NAMES = ("bash", "vim", "tmux", "redraw")


class TerminalRecording(Struct, frozen=True):
    """What a terminal was told and what its user typed, `(at_ms, "i" or "o", text)`."""

    columns: int
    rows: int
    bursts: list[tuple[int, str, str]]


def terminal_recording(name: str) -> TerminalRecording:
    """Return a recorded terminal."""
    first, *rest = (_FOLDER / f"{name}.jsonl").read_text().splitlines()
    size = json.loads(first)
    bursts = [tuple(json.loads(line)) for line in rest]
    return TerminalRecording(size["columns"], size["rows"], bursts)


def shell_opening(columns: int = 80, rows: int = 24) -> list[KnownEvent]:
    """Return what precedes the first byte of a shell."""
    return [
        SessionStarted(at_ms=0, info=INFO),
        ChannelOpened(at_ms=0, channel=0, kind="session"),
        TerminalRequested(
            at_ms=0, channel=0, terminal="xterm-256color", columns=columns, rows=rows
        ),
        ChannelRequested(at_ms=0, channel=0, request="shell"),
    ]


def as_events(recording: TerminalRecording) -> list[KnownEvent]:
    """Return a whole session that shows `recording`."""
    events = shell_opening(recording.columns, recording.rows)
    for at_ms, direction, text in recording.bursts:
        kind = ClientData if direction == "i" else TargetData
        events.append(kind(at_ms=at_ms, channel=0, data=text.encode()))
    end_ms = recording.bursts[-1][0]
    return [
        *events,
        ChannelClosed(at_ms=end_ms, channel=0),
        SessionEnded(at_ms=end_ms, reason=EndReason.CLIENT_LEFT),
    ]


def as_chunks(events: list[KnownEvent], size: int) -> list[Chunk]:
    """Return `events` in chunks of `size` events."""
    chunks: list[Chunk] = []
    for start in range(0, len(events), size):
        previous = chunks[-1] if chunks else None
        chunks.append(chunk(events[start : start + size], previous))
    return chunks


def understood(chunks: list[Chunk]) -> list[Line]:
    """Return the lines of a session."""
    lines, state = [], None
    for each in chunks:
        comprehension = comprehend(state, each.encoded, each.data_key)
        state = comprehension.state
        lines += comprehension.lines
    return lines
