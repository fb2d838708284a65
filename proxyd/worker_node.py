"""The role `worker`: takes chunks from the broker, stores and indexes them.

It is ready when the broker is connected. Several may run side by side, on one machine too.
"""

import asyncio
import contextlib
from collections.abc import Callable

from config.model import Settings
from control.storage_keys import StorageKeys
from proxyd import broker, logs
from proxyd.consuming import Consuming
from proxyd.control import opened_database, opened_vault, storage_trust
from proxyd.metrics import Metrics
from proxyd.surroundings import measuring
from proxyd.worker import Worker
from recorder.clock import SystemClock


class WorkerNode:
    """A `proxyd.service.Node` of a storage worker alone."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._consuming: Consuming | None = None
        self.metrics = Metrics()

    async def serve(self, started: Callable[[], None]) -> None:
        """Connect, then store until cancelled."""
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            database = stack.enter_context(opened_database(settings))
            clock = SystemClock()
            keys = StorageKeys(database, opened_vault(settings, database))
            worker = Worker(settings, database, clock, self.metrics, keys)
            storage = storage_trust(database, keys, clock)
            self._consuming = consuming = Consuming(settings, worker, storage)
            await stack.enter_async_context(
                measuring(self.metrics, settings.metrics.listen, self._not_ready)
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(worker.run())
                tasks.create_task(consuming.run())
                await consuming.connected.wait()
                started()

    async def drain(self) -> None:
        """Nothing: what is not acknowledged stays in the queue for another worker."""

    def reload(self) -> None:
        """Read the log level, and what the broker is reached with; the rest wants a restart."""
        settings = self._reread()
        if self._consuming is not None:
            broker.reread(settings, self._consuming.broker)
        logs.set_up(settings.log_level)

    def _not_ready(self) -> list[str]:
        if self._consuming is None:
            return ["it is starting"]
        return [] if self._consuming.is_up else ["the broker is out of reach"]

    def status(self) -> str:
        """Say in one line how it is."""
        consuming = self._consuming
        if consuming is None:
            return "starting"
        if not consuming.is_up:
            return "the broker is out of reach"
        dead = consuming.dead_letters
        return f"storing; {dead} dead letters" if dead else "storing"
