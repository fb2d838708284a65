"""Which engines were heard of lately, and how they are. Kept in memory: a restart asks anew."""

import threading
from typing import Final

from bus.contract import Heartbeat
from recorder.ports import Clock

SILENT_S: Final = 35.0
"""Three heartbeats, and a little."""
FORGOTTEN_S: Final = 24 * 3600.0


class Heartbeats:
    """The last heartbeat of each engine. Safe from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, tuple[int, Heartbeat]] = {}

    def heard(self, heartbeat: Heartbeat) -> None:
        """Take one."""
        with self._lock:
            self._heard[heartbeat.engine_id] = (self._clock.monotonic_ms(), heartbeat)

    def fresh(self) -> tuple[Heartbeat, ...]:
        """Return those of the engines that are there now."""
        return tuple(beat for age_s, beat in self._aged() if age_s < SILENT_S)

    def silent(self) -> tuple[Heartbeat, ...]:
        """Return the last ones of the engines that have fallen silent."""
        return tuple(beat for age_s, beat in self._aged() if SILENT_S <= age_s < FORGOTTEN_S)

    def _aged(self) -> list[tuple[float, Heartbeat]]:
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            return [((now_ms - at_ms) / 1000, beat) for at_ms, beat in self._heard.values()]
