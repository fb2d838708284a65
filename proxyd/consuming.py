"""Runs the consumer of a worker: a thread of its own for what blocks."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from bus.consumer import ChunkConsumer, Storage
from config.model import Settings
from control.trust import StorageTrust
from proxyd import broker
from proxyd.metrics import watch
from proxyd.worker import Worker
from recorder.thread_names import show_thread_name


class Consuming:
    """A worker's ear. Make it on the event loop."""

    def __init__(self, settings: Settings, worker: Worker, trust: StorageTrust) -> None:
        self._trust = trust
        self.connected = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.broker = broker.connection(settings, "worker")
        """For `proxyd.broker.reread`."""
        self._consumer = consumer = ChunkConsumer(
            self.broker,
            trust.identity,
            settings.bus.sites,
            Storage(
                store_all=worker.store_all,
                probe=worker.probe,
                missing=worker.missing_before,
                lost=worker.mark_gap,
            ),
            self._on_connected,
        )
        watch(worker.metrics.dead_letters, lambda: consumer.dead_letters)
        watch(worker.metrics.bus_connected, lambda: consumer.is_up)

    def _on_connected(self) -> None:
        self._loop.call_soon_threadsafe(self.connected.set)

    @property
    def is_up(self) -> bool:
        """Whether the broker is connected."""
        return self._consumer.is_up

    @property
    def dead_letters(self) -> int:
        """How many chunks wait for an operator."""
        return self._consumer.dead_letters

    async def run(self) -> None:
        """Consume until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._trust.run())
            tasks.create_task(self._consume())

    async def _consume(self) -> None:
        with ThreadPoolExecutor(1, "consumer", show_thread_name) as threads:
            work = asyncio.get_running_loop().run_in_executor(threads, self._consumer.run)
            try:
                await asyncio.shield(work)
            finally:
                self._consumer.stop()
                await asyncio.wait([work])
