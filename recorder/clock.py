"""Clocks: the machine's, and one that a test moves."""

import datetime as dt
import time


class SystemClock:
    """The machine's clocks."""

    def now(self) -> dt.datetime:
        """Return the wall-clock time, in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic_ms(self) -> int:
        """Return milliseconds since the machine started; never goes back."""
        return time.monotonic_ns() // 1_000_000


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, now: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) -> None:
        self._now = now
        self._monotonic_ms = 0

    def now(self) -> dt.datetime:
        """Return the time it was moved to."""
        return self._now

    def monotonic_ms(self) -> int:
        """Return how far it was moved."""
        return self._monotonic_ms

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._now += dt.timedelta(seconds=seconds)
        self._monotonic_ms += round(seconds * 1000)

    def step(self, seconds: float) -> None:
        """Move the wall clock alone, as an administrator or NTP does."""
        self._now += dt.timedelta(seconds=seconds)
