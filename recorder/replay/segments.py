"""A recording in segments, each with the screen it begins on.

This is `format: "segmented"` of asciinema-player 3.18, which fetches only what it shows:

    index    {version, duration, term, segments: [{start, url}], markers, …}
    segment  {snapshot: {cols, rows, init}, events: [[at_s, "o" | "i" | "r", data]]}

A segment begins where a chunk does whose keyframe holds the channel's screen. The player
refuses a recording whose times do not fit: starts strictly increasing, the first 0, the
first event of a later segment exactly at its start, the last exactly at the end. Times are
therefore whole microseconds until they are written. What a target sent goes through
`ScreenFilter`, as on every way to an auditor. Sans-io.
"""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec import Struct

from recorder.events import (
    ClientData,
    Event,
    KnownEvent,
    NoticeShown,
    TargetData,
    TargetErrorData,
    TerminalResized,
)
from recorder.replay.comprehend import Screen
from recorder.replay.drawing import drawing_of
from recorder.replay.idle import Clock, clock_without_pauses
from recorder.replay.outline import Opened, Outline
from recorder.replay.screen_filter import ScreenFilter
from recorder.replay.terminal import clamp
from recorder.replay.timeline import known, placed

_APART_US = 1000
"""Segments closer together than this are one."""
_MAX_MARKERS = 500
"""Dots on the player's bar; the lists beside it have all."""

_BARS = 600
"""Of the activity strip: about one a pixel."""

_Played = TargetData | TargetErrorData | NoticeShown | ClientData | TerminalResized
_encoder = msgspec.json.Encoder()


class OutlinedChunk(Struct, frozen=True, kw_only=True):
    """What is known of a stored chunk without reading it."""

    sequence: int
    first_ms: int
    last_ms: int
    has_keyframe: bool
    """Whether the screens it begins on are stored."""
    outline: Outline


class Segment(Struct, frozen=True, kw_only=True):
    """Some chunks, played from a screen on."""

    sequence: int
    """Of the first chunk."""
    until: int
    """The sequence of the chunk behind the last one."""
    start_us: int
    end_us: int
    is_last: bool


class Plan(Struct, frozen=True, kw_only=True):
    """How one channel of a session is played."""

    opened: Opened
    clock: Clock
    segments: list[Segment]


def channels_of(chunks: Iterable[OutlinedChunk]) -> list[Opened]:
    """Return the channels that can be played, in the order they were opened."""
    found: dict[int, Opened] = {}
    for chunk in chunks:
        for opened in chunk.outline.opened:
            before = found.get(opened.channel)
            if before is None:
                found[opened.channel] = opened
            elif opened.has_terminal and not before.has_terminal:
                found[opened.channel] = msgspec.structs.replace(opened, at_ms=before.at_ms)
    return list(found.values())


def first_played(channels: Sequence[Opened]) -> Opened | None:
    """Return what is played unless asked otherwise: a terminal, if there is one."""
    with_terminal = (opened for opened in channels if opened.has_terminal)
    return next(with_terminal, channels[0] if channels else None)


def plan(
    chunks: Sequence[OutlinedChunk], opened: Opened, *, idle_limit_ms: int | None = None
) -> Plan:
    """Divide a recording, of which `chunks` are all, into what is fetched at once."""
    clock = clock_of(chunks, opened.channel, idle_limit_ms)
    starts = [(0, chunks[0].sequence)] if chunks else []
    for before, chunk in pairwise(chunks):
        if not (chunk.has_keyframe and opened.channel in before.outline.screens):
            continue
        start_us = clock.shown_us(chunk.first_ms * 1000)
        if start_us - starts[-1][0] >= _APART_US and start_us < clock.duration_us:
            starts.append((start_us, chunk.sequence))
    return Plan(opened=opened, clock=clock, segments=list(_between(chunks, starts, clock)))


def clock_of(chunks: Sequence[OutlinedChunk], channel: int, idle_limit_ms: int | None) -> Clock:
    """Return the clock on which a channel is played."""
    # A millisecond more, so that the last segment begins before the end.
    duration_ms = 1 + max((chunk.last_ms for chunk in chunks), default=0)
    if idle_limit_ms is None:
        return Clock(duration_ms)
    busy = (one.second for chunk in chunks for one in chunk.outline.busy.get(channel, ()))
    return clock_without_pauses(busy, duration_ms, idle_limit_ms)


def _between(
    chunks: Sequence[OutlinedChunk], starts: list[tuple[int, int]], clock: Clock
) -> Iterator[Segment]:
    for number, (start_us, sequence) in enumerate(starts):
        is_last = number == len(starts) - 1
        end_us, until = (
            (clock.duration_us, chunks[-1].sequence + 1) if is_last else starts[number + 1]
        )
        yield Segment(
            sequence=sequence, until=until, start_us=start_us, end_us=end_us, is_last=is_last
        )


def encode_index(planned: Plan, chunks: Iterable[OutlinedChunk], name: str = "{}") -> bytes:
    """Return the index. `name` is what a segment is called, by its first chunk's number."""
    clock, opened = planned.clock, planned.opened
    return _encoder.encode(
        {
            "version": 1,
            "duration": clock.duration_us / 1e6,
            "term": {"cols": opened.columns, "rows": opened.rows},
            "segments": [
                {"start": segment.start_us / 1e6, "url": name.format(segment.sequence)}
                for segment in planned.segments
            ],
            "markers": list(_markers(chunks, clock)),
        }
    )


def encode_overview(chunks: Sequence[OutlinedChunk], clock: Clock, channel: int) -> bytes:
    """Return what stands around the player.

    `clock` are the moments `[real_s, shown_s]` between which both go evenly; `activity` is
    `[shown, typed]` bytes in equal parts of what is played.
    """
    return _encoder.encode(
        {
            "duration": clock.duration_us / 1e6,
            "clock": [(knee.real_us / 1e6, knee.shown_us / 1e6) for knee in clock.knees],
            "activity": _activity(chunks, clock, channel),
            "markers": list(_markers(chunks, clock)),
        }
    )


def _activity(
    chunks: Iterable[OutlinedChunk], clock: Clock, channel: int
) -> list[tuple[int, int]]:
    shown, typed = [0] * _BARS, [0] * _BARS
    for chunk in chunks:
        for busy in chunk.outline.busy.get(channel, ()):
            at_us = clock.shown_us(busy.second * 1_000_000)
            bar = min(at_us * _BARS // max(1, clock.duration_us), _BARS - 1)
            shown[bar] += busy.shown_bytes
            typed[bar] += busy.typed_bytes
    return list(zip(shown, typed, strict=True))


def _markers(chunks: Iterable[OutlinedChunk], clock: Clock) -> Iterator[tuple[float, str]]:
    marks = sorted(
        (mark for chunk in chunks for mark in chunk.outline.marks), key=lambda mark: mark.at_ms
    )
    for mark in marks[:_MAX_MARKERS]:
        yield clock.shown_us(mark.at_ms * 1000) / 1e6, mark.label


def encode_segment(
    planned: Plan, segment: Segment, screen: Screen | None, events: Iterable[Event]
) -> bytes:
    """Return a segment. `events` are those of its chunks, `screen` what it begins on.

    Without a screen it begins on an empty one.
    """
    return _encoder.encode(
        {
            "snapshot": _snapshot(planned.opened, screen),
            "events": list(_Writing(planned, segment, screen).rows(events)),
        }
    )


def _snapshot(opened: Opened, screen: Screen | None) -> dict[str, object]:
    if screen is None:
        return {"cols": opened.columns, "rows": opened.rows, "init": ""}
    return {"cols": screen.columns, "rows": screen.rows, "init": screen.dump}


class _Writing:
    """One pass over a segment's events."""

    def __init__(self, planned: Plan, segment: Segment, screen: Screen | None) -> None:
        self._clock, self._opened = planned.clock, planned.opened
        self._segment = segment
        self._filter = ScreenFilter()
        self._typed = codecs.getincrementaldecoder("utf-8")("replace")
        if screen is not None:
            # What the segment before could not show yet: parts of a sequence or a character.
            self._filter.feed(screen.held.encode(errors="replace") + screen.tail)

    def rows(self, events: Iterable[Event]) -> Iterator[tuple[float, str, object]]:
        segment = self._segment
        # The player wants an event at the very start, and one at the very end.
        yield segment.start_us / 1e6, "o", ""
        for event in placed(self._own(events)):
            at_us = self._clock.shown_us(event.at_ms * 1000)
            at_us = min(max(at_us, segment.start_us), segment.end_us - 1)
            if (row := self._row(event)) is not None:
                yield at_us / 1e6, *row
        if segment.is_last:
            yield segment.end_us / 1e6, "o", ""

    def _own(self, events: Iterable[Event]) -> Iterator[KnownEvent]:
        for event in known(events):
            if isinstance(event, _Played) and event.channel == self._opened.channel:
                yield event

    def _row(self, event: KnownEvent) -> tuple[str, object] | None:
        match event:
            case TerminalResized():
                columns, rows = clamp(event.columns, event.rows)
                return "r", {"cols": columns, "rows": rows}
            case ClientData(data=data):
                text = self._typed.decode(data)
                return ("i", text) if text else None
            case TargetData() | TargetErrorData() | NoticeShown():
                drawn = drawing_of(event, has_terminal=self._opened.has_terminal)
                text = self._filter.feed(drawn).decode(errors="replace")
                return ("o", text) if text else None
            case _:
                return None
