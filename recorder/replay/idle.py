"""A recording's clock, and one on which nobody waits: long pauses are drawn together.

A pause is shortened evenly and not cut out, so that each moment of either clock is one
moment of the other. Times are whole microseconds where players compare them. Sans-io.
"""

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

_MS_US = 1000
_SECOND_US = 1_000_000


class Knee(Struct, frozen=True, array_like=True):
    """A moment at which the pace changes, on both clocks."""

    real_us: int
    shown_us: int


class Clock:
    """Both clocks of one recording."""

    def __init__(self, duration_ms: int, knees: Iterable[Knee] = ()) -> None:
        inner = [knee for knee in knees if knee.real_us > 0]
        last = inner[-1] if inner else Knee(0, 0)
        end_us = duration_ms * _MS_US
        self.knees = [Knee(0, 0), *inner]
        if end_us > last.real_us:
            self.knees.append(Knee(end_us, last.shown_us + end_us - last.real_us))
        self._real = [knee.real_us for knee in self.knees]

    @property
    def duration_us(self) -> int:
        """How long it plays."""
        return self.knees[-1].shown_us

    def shown_us(self, real_us: int) -> int:
        """Return when a moment of the session is played."""
        at = bisect_right(self._real, real_us) - 1
        if at >= len(self.knees) - 1:
            return self.duration_us
        start, end = self.knees[at], self.knees[at + 1]
        part = (real_us - start.real_us) * (end.shown_us - start.shown_us)
        return start.shown_us + part // (end.real_us - start.real_us)


def clock_without_pauses(busy_seconds: Iterable[int], duration_ms: int, limit_ms: int) -> Clock:
    """Return a clock on which no pause between `busy_seconds` lasts longer than `limit_ms`.

    Seconds are as fine as it gets: what happened within one keeps its pace.
    """
    limit_us = limit_ms * _MS_US
    knees: list[Knee] = []
    saved_us, idle_from_us = 0, 0
    ends = [*sorted({second * _SECOND_US for second in busy_seconds}), duration_ms * _MS_US]
    for busy_us in ends:
        if busy_us - idle_from_us > limit_us:
            knees.append(Knee(idle_from_us, idle_from_us - saved_us))
            saved_us += busy_us - idle_from_us - limit_us
            knees.append(Knee(busy_us, busy_us - saved_us))
        idle_from_us = busy_us + _SECOND_US
    return Clock(duration_ms, knees)
