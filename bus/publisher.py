"""Publishes on a link, and knows what became of each message.

The broker confirms a message that it holds, and as readily one that no queue wanted;
`mandatory` has it send such a message back first. A message that was not confirmed may
still have arrived: whoever sends it again must count on two.
"""

import asyncio
import itertools
from typing import Any, Final

import pika
import pika.exceptions
from pika.channel import Channel
from pika.spec import Basic

from bus.errors import BusUnavailableError
from bus.link import Link, OpenChannel

PERSISTENT: Final = 2
MAX_FORGOTTEN_BYTES: Final = 4 * 1024 * 1024
MAX_FORGOTTEN: Final = 20_000
"""A message in pika's buffer has 200 bytes of its own, however small its body."""
_CONTENT_TYPE: Final = "application/vnd.proxyd"


def properties_of(**named: object) -> pika.BasicProperties:
    """Return a message's properties."""
    return pika.BasicProperties(**named)  # type: ignore[no-untyped-call] # pika's has no types


class Publisher:
    """One link that is only written to."""

    def __init__(self, name: str, parameters: pika.ConnectionParameters) -> None:
        self.link = Link(name, parameters, self._set_up)
        self._waiting: dict[int, asyncio.Future[str | None]] = {}
        self._by_id: dict[str, asyncio.Future[str | None]] = {}
        self._tags = itertools.count(1)
        self._ids = itertools.count(1)
        self._forgotten: dict[int, int] = {}
        """The sizes of the messages that nobody waits for, until they are confirmed."""
        self._forgotten_bytes = 0
        """The sum of them: a live feed sends one for each burst, and may not add up."""

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties
    ) -> None:
        """Return once the broker holds the message in a queue.

        Raises `BusUnavailableError` where it does not, or does not say so.
        """
        channel = self.link.channel
        # Its own number for the broker's "returned": what is returned bears no tag.
        properties.message_id = str(next(self._ids))
        properties.content_type = _CONTENT_TYPE
        tag = next(self._tags)
        confirmed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting[tag] = self._by_id[properties.message_id] = confirmed
        try:
            channel.raw.basic_publish(exchange, key, body, properties, mandatory=True)
            either: set[asyncio.Future[Any]] = {confirmed, channel.closed}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except pika.exceptions.AMQPError as error:
            raise BusUnavailableError(f"the broker is out of reach: {error!r}") from error
        finally:
            self._waiting.pop(tag, None)
            self._by_id.pop(properties.message_id, None)
        if not confirmed.done():
            raise BusUnavailableError(f"the broker was lost: {channel.closed.result()}")
        if (refusal := confirmed.result()) is not None:
            raise BusUnavailableError(refusal)

    def publish_and_forget(
        self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties
    ) -> bool:
        """Hand over what nobody misses; False where it cannot be. Never waits.

        What the broker has not taken yet is bounded: memory must not pay for a slow way.
        """
        if (
            not self.link.is_up
            or self.link.blocked
            or self._forgotten_bytes > MAX_FORGOTTEN_BYTES
            or len(self._forgotten) >= MAX_FORGOTTEN
        ):
            return False
        tag = next(self._tags)
        self._forgotten[tag] = len(body)
        self._forgotten_bytes += len(body)
        try:
            self.link.channel.raw.basic_publish(exchange, key, body, properties)
        except pika.exceptions.AMQPError:
            return False
        return True

    # --- inside

    async def _set_up(self, channel: OpenChannel) -> None:
        self._tags = itertools.count(1)
        self._waiting.clear()
        self._forgotten.clear()
        self._forgotten_bytes = 0
        channel.raw.add_on_return_callback(self._on_return)
        await channel.call(channel.raw.confirm_delivery, self._on_confirm)

    def _on_confirm(self, frame: Any) -> None:  # noqa: ANN401 - pika's frames have no type
        method = frame.method
        refusal = None if isinstance(method, Basic.Ack) else "the broker's queue is full"
        last = method.delivery_tag
        tags = [last]
        if method.multiple:
            # Both are in the order of their tags.
            for sent in (self._waiting, self._forgotten):
                tags += itertools.takewhile(lambda tag: tag < last, sent)
        for tag in tags:
            self._forgotten_bytes -= self._forgotten.pop(tag, 0)
            waiting = self._waiting.get(tag)
            if waiting is not None and not waiting.done():
                waiting.set_result(refusal)

    def _on_return(
        self,
        _channel: Channel,
        method: Basic.Return,
        properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        waiting = self._by_id.get(properties.message_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(
                f"nobody takes messages of {method.routing_key or 'this kind'}: see that the "
                "node which should is running, and serves this site"
            )
