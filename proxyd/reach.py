"""Whether storage can be reached: an engine asks a worker twice a second.

The broker's word would not do: it may run while nobody takes chunks out of it. Nor would
the next chunk's receipt: an idle session has one every half minute, and is to end within a
second of `unreachable_limit_s`. So is the interval short: it is the error of that figure.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from bus.errors import BusError
from bus.ports import EngineBus
from recorder.ports import Clock
from recorder.recorders import LAST_WORD_S

INTERVAL_S: Final = 0.5
ANXIOUS_INTERVAL_S: Final = 0.1
"""While it does not answer: the last second before the limit is not to be slept away."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class StorageReach:
    """Asks as long as `run` runs."""

    def __init__(
        self,
        bus: EngineBus,
        clock: Clock,
        *,
        limit_s: float,
        out_of_reach: Callable[[], None],
        back: Callable[[], None],
    ) -> None:
        """`out_of_reach` is called just after `limit_s`, `back` when it answers again."""
        self._bus = bus
        self._clock = clock
        self._limit_s = limit_s
        self._out_of_reach = out_of_reach
        self._back = back
        self._since_ms: int | None = None
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def unreachable_s(self) -> float:
        """For how long storage has not answered; 0 while it does."""
        if self._since_ms is None:
            return 0.0
        return (self._clock.monotonic_ms() - self._since_ms) / 1000

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            asked_ms = self._clock.monotonic_ms()
            try:
                await self._bus.reach_storage()
            except BusError as error:
                self._failed(asked_ms, error)
            else:
                self._reached()
            await asyncio.sleep(INTERVAL_S if self._since_ms is None else ANXIOUS_INTERVAL_S)

    def _failed(self, asked_ms: int, error: BusError) -> None:
        if self._since_ms is not None:
            return
        self._since_ms = asked_ms
        passed_s = (self._clock.monotonic_ms() - asked_ms) / 1000
        loop = asyncio.get_running_loop()
        left_s = max(0, self._limit_s + LAST_WORD_S - passed_s)
        self._alarm = loop.call_later(left_s, self._out_of_reach)
        _log.warning(
            "storage.unreachable",
            reason=str(error),
            limit_s=self._limit_s,
            next_step="see that the broker and a storage worker of this site run; sessions "
            "whose secret requires a recording end at the limit",
        )

    def _reached(self) -> None:
        if self._since_ms is None:
            return
        _log.info("storage.reached", after_s=round(self.unreachable_s, 1))
        self._since_ms = None
        if self._alarm is not None:
            self._alarm.cancel()
        self._back()
