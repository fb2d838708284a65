"""The bus over RabbitMQ, on the event loop: control's side."""

import asyncio
import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import pika
import structlog
from pika.channel import Channel
from pika.spec import Basic

from bus import codec, topology
from bus.calls import REPLY, Calls, Destination
from bus.contract import Command, CommandResult, Failed, Reply, Request
from bus.errors import BadMessageError, BusError, BusUnavailableError
from bus.feed import Feed, Feeds
from bus.link import OpenChannel
from bus.ports import Answer, Identity
from bus.publisher import properties_of
from bus.wires import Wires

_REQUESTS_AT_ONCE: Final = 32

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class RabbitControlBus:
    """A `ControlBus`. Enter it to connect; it goes on trying for ever."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        identity: Identity,
        sites: Sequence[str],
        answer_timeout_s: float,
    ) -> None:
        self._identity = identity
        self._sites = sites
        self._answer_timeout_s = answer_timeout_s
        self._node = f"control-{secrets.token_hex(4)}"
        self.wires = Wires(self._node, parameters, self._subscribe)
        self._calls = Calls(identity, self.wires)
        self._answer: Answer | None = None
        self._feeds = Feeds()

    async def __aenter__(self) -> Self:
        """Begin to connect."""
        await self.wires.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect, and end every feed."""
        self._feeds.cut("this node is stopping")
        await self.wires.__aexit__(kind, error, trace)

    def answer(self, handler: Answer) -> None:
        """Answer every engine's requests with `handler`."""
        self._answer = handler

    async def command(self, engine_id: str, command: Command) -> CommandResult:
        """Return what the engine answered; raise `BusUnavailableError`."""
        to = Destination(
            exchange=topology.DIRECT_TO_QUEUE,
            key=topology.engine_commands(engine_id).name,
            audience=engine_id,
            who=f"engine {engine_id}",
            reply_to=self._node,
        )
        body = await self._calls.ask(to, codec.encode(command), self._answer_timeout_s)
        result = codec.decode_result(body)
        if result.failed:
            raise BusUnavailableError(f"engine {engine_id} {result.detail}: see its log")
        return result

    def watch(self, feed_id: UUID) -> Feed:
        """Return what hears a live feed from now on; close it afterwards."""
        return self._feeds.watch(feed_id)

    # --- inside

    async def _subscribe(self, channel: OpenChannel) -> None:
        self._feeds.cut("the connection to the broker was lost; watch again")
        raw = channel.raw
        await channel.call(raw.basic_qos, prefetch_count=_REQUESTS_AT_ONCE)
        await declare(channel, topology.EXCHANGES)
        for site in self._sites:
            queue = topology.site_requests(site)
            await declare(channel, [queue])
            await channel.call(raw.basic_consume, queue.name, self._on_request)
        ours = topology.node_queue(self._node, secrets.token_hex(4), live=True)
        await declare(channel, [ours])
        await channel.call(raw.basic_consume, ours.name, self._on_ours, auto_ack=True)

    def _on_ours(
        self,
        _channel: Channel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        if method.exchange == topology.LIVE:
            self._on_live(method.routing_key or "", body)
        else:
            self._calls.came(properties, body)

    def _on_live(self, key: str, message: bytes) -> None:
        try:
            self._feeds.put(topology.feed_of(key), message)
        except ValueError:
            _log.warning("message.refused", kind="live", reason=f"routing key {key!r}")

    def _on_request(
        self,
        channel: Channel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        envelope: bytes,
    ) -> None:
        self.wires.spawn(self._serve(channel, method, properties, envelope))

    async def _serve(
        self,
        channel: Channel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        envelope: bytes,
    ) -> None:
        try:
            if method.redelivered:
                raise BadMessageError("it was delivered before: it may have been carried out")
            opened = self._identity.open(envelope)
            reply = await self._answered(codec.decode_request(opened.body), opened.issuer)
            answer = self._identity.sign(opened.issuer, codec.encode(reply), opened.nonce)
            engine_id = topology.engine_of(method.routing_key or "")
            await self.wires.publisher.publish(
                topology.DIRECT_TO_QUEUE,
                topology.engine_replies(engine_id).name,
                answer,
                properties_of(type=REPLY, correlation_id=properties.correlation_id),
            )
        except BusError as error:
            _log.warning(
                "message.refused", kind="request", key=method.routing_key, reason=str(error)
            )
        finally:
            if channel.is_open:
                channel.basic_ack(method.delivery_tag or 0)

    async def _answered(self, request: Request, asker: str) -> Reply:
        if self._answer is None:
            return Failed(detail="control does not answer yet: try again", again=True)
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                return await self._answer(request, asker)
        except BadMessageError as error:
            return Failed(detail=str(error), again=False)
        except BusError as error:
            return Failed(detail=str(error), again=True)
        except Exception as error:  # noqa: BLE001 - one message's boundary
            kind = type(request).__name__
            _log.error("message.failed", message=kind, by="control", exc_info=error)
            return Failed(detail=f"control could not answer {kind}: see its log", again=True)


async def declare(
    channel: OpenChannel, things: Sequence[topology.Exchange | topology.Queue]
) -> None:
    """Make what is not there yet; raise `BusUnavailableError` where it is there otherwise."""
    raw = channel.raw
    for thing in things:
        match thing:
            case topology.Exchange(name=name, kind=kind):
                await channel.call(raw.exchange_declare, name, exchange_type=kind, durable=True)
            case topology.Queue():
                await channel.call(
                    raw.queue_declare,
                    thing.name,
                    durable=not thing.exclusive,
                    exclusive=thing.exclusive,
                    auto_delete=thing.exclusive,
                    arguments=thing.arguments,
                )
                for exchange, key in thing.bindings:
                    await channel.call(raw.queue_bind, thing.name, exchange, key)
