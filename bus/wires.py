"""The two connections of a node on the event loop: one publishes, the other consumes.

Two, because a broker short of disk stops reading from whoever publishes, and a node must
hear its answers and commands all the same.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import pika

from bus.link import Link, SetUp
from bus.publisher import Publisher


class Wires:
    """Enter it to connect; leaving disconnects and ends what it still works on."""

    def __init__(
        self, name: str, parameters: pika.ConnectionParameters, subscribe: SetUp
    ) -> None:
        self.publisher = Publisher(f"{name} publishes", parameters)
        self.consumer = Link(f"{name} consumes", parameters, subscribe)
        self._tasks = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []
        self._leaving = False

    async def __aenter__(self) -> Self:
        """Begin to connect, and go on trying."""
        await self._tasks.__aenter__()
        for link in (self.publisher.link, self.consumer):
            self.spawn(link.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self._leaving = True
        for task in self._running:
            task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    @property
    def are_up(self) -> bool:
        """Whether both connections stand."""
        return self.publisher.link.is_up and self.consumer.is_up

    async def wait_up(self) -> None:
        """Wait until both connections stand."""
        while not self.are_up:
            await self.publisher.link.wait_up()
            await self.consumer.wait_up()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which handles its own errors, until it ends or we leave."""
        if self._leaving:
            work.close()
            return
        task = self._tasks.create_task(work)
        self._running.append(task)
        task.add_done_callback(self._running.remove)
