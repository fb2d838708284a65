"""A recording in segments, made and checked as asciinema-player 3.18 does it."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import avt

from recorder.chunk import Chunk
from recorder.replay.comprehend import Screen, comprehend, screens
from recorder.replay.outline import Outline, decode_outline
from recorder.replay.segments import (
    OutlinedChunk,
    Plan,
    channels_of,
    encode_index,
    encode_overview,
    encode_segment,
    first_played,
    plan,
)

Json = dict[str, Any]


class Segmented:
    """What a player fetches of some chunks."""

    def __init__(
        self,
        chunks: Sequence[Chunk],
        *,
        channel: int | None = None,
        idle_limit_ms: int | None = None,
    ) -> None:
        self.chunks = list(chunks)
        self.states: list[bytes | None] = [None]
        self.outlined: list[OutlinedChunk] = []
        for chunk in chunks:
            self._understand(chunk)
        channels = channels_of(self.outlined)
        opened = next((one for one in channels if one.channel == channel), None)
        opened = opened or first_played(channels)
        assert opened is not None
        self.plan: Plan = plan(self.outlined, opened, idle_limit_ms=idle_limit_ms)
        self.index: Json = json.loads(encode_index(self.plan, self.outlined, "{}.json"))
        self.overview: Json = json.loads(
            encode_overview(self.outlined, self.plan.clock, opened.channel)
        )
        self.segments: list[Json] = [
            json.loads(
                encode_segment(
                    self.plan, segment, self._screen(segment.sequence), self._events(segment)
                )
            )
            for segment in self.plan.segments
        ]

    def _understand(self, chunk: Chunk) -> None:
        understood = comprehend(self.states[-1], chunk.encoded, chunk.data_key)
        self.states.append(understood.state)
        outline = decode_outline(understood.outline)
        assert isinstance(outline, Outline)
        header = chunk.header
        self.outlined.append(
            OutlinedChunk(
                sequence=header.sequence,
                first_ms=header.first_ms,
                last_ms=header.last_ms,
                has_keyframe=True,
                outline=outline,
            )
        )

    def _screen(self, sequence: int) -> Screen | None:
        state = self.states[sequence]
        found = [] if state is None else screens(state)
        return next((s for s in found if s.channel == self.plan.opened.channel), None)

    def _events(self, segment: Any) -> Any:
        for chunk in self.chunks[segment.sequence : segment.until]:
            yield from chunk.unpack()

    def events(self, code: str = "") -> list[Any]:
        """Every event that is played, without those that only mark an end."""
        rows = itertools.chain.from_iterable(one["events"] for one in self.segments)
        return [row for row in rows if row[2] != "" and (not code or row[1] == code)]

    def shown(self) -> str:
        return "".join(text for _, _, text in self.events("o"))

    def screen_at(self, number: int, *, jump: bool) -> list[str]:
        """The screen at the end of a segment, played up to it or jumped into it."""
        first = number if jump else 0
        return screen_of(self.segments[first : number + 1])


def screen_of(segments: Sequence[Json]) -> list[str]:
    """Draw segments one behind the other, on the snapshot of the first."""
    snapshot = segments[0]["snapshot"]
    vt = avt.Vt(snapshot["cols"], snapshot["rows"], 0)
    vt.feed_str(snapshot["init"])
    for segment in segments:
        for _, code, data in segment["events"]:
            if code == "o":
                vt.feed_str(data)
            elif code == "r":
                vt.resize(data["cols"], data["rows"])
    return [vt[row].text.rstrip() for row in range(vt.size[1])]


def complaints(index: Json, segments: Sequence[Json]) -> list[str]:
    """What the player would refuse (its `segmented.js`)."""
    starts = [segment["start"] * 1000 for segment in index["segments"]]
    duration = index["duration"] * 1000
    markers = [at * 1000 for at, _ in index["markers"]]
    rules = {
        "it does not begin at 0": starts[:1] == [0],
        "starts do not increase": all(a < b for a, b in itertools.pairwise(starts)),
        "a segment begins at the end": max(starts) < duration,
        "markers are out of order": markers == sorted(markers),
        "a marker is beyond the end": max(markers, default=0) <= duration,
    }
    found = [what for what, holds in rules.items() if not holds]
    for number, segment in enumerate(segments):
        is_last = number == len(segments) - 1
        end = duration if is_last else starts[number + 1]
        times = [row[0] * 1000 for row in segment["events"]]
        wrong = _wrong_times(times, starts[number], end, is_first=not number, is_last=is_last)
        found += [f"segment {number} {what}" for what in wrong]
    return found


def _wrong_times(
    times: list[float], start: float, end: float, *, is_first: bool, is_last: bool
) -> list[str]:
    if not times:
        return ["has no events"]
    rules = {
        "goes back in time": times == sorted(times) and times[0] >= start,
        "reaches beyond its end": times[-1] < end or is_last,
        "does not begin at its start": is_first or times[0] == start,
        "does not end at the end": not is_last or times[-1] == end,
    }
    return [what for what, holds in rules.items() if not holds]
