"""The bus over RabbitMQ, on the event loop: the engine's side.

Control's side is `bus.rabbitmq_control`, the worker's `bus.consumer`.
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import pika
import structlog
from msgspec import Struct
from pika.channel import Channel
from pika.spec import Basic

from bus import codec, topology
from bus.calls import RECEIPT, Calls, Destination, check_issuer
from bus.contract import (
    ChunkRefused,
    ChunkStored,
    CommandResult,
    Failed,
    PingStorage,
    Reply,
    Request,
)
from bus.errors import BadMessageError, BusError, BusUnavailableError
from bus.link import OpenChannel
from bus.ports import Identity, Obey, Opened
from bus.publisher import PERSISTENT, properties_of
from bus.wires import Wires
from recorder.chunk import Chunk
from recorder.errors import ChunkRefusedError
from recorder.ports import StorageReceipt

RECEIPT_PATIENCE_S: Final = 60.0
"""The broker holds a confirmed chunk on disk: sending it again sooner only makes two of it."""
_RECEIPT_GRACE_S: Final = 5.0
"""After a new connection: receipts that are still to come have come by then."""
PING_LIMIT_S: Final = topology.PING_TTL_MS / 1000
_COMMANDS_AT_ONCE: Final = 32

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class EngineAddress(Struct, frozen=True, kw_only=True):
    """Which engine it is. Before it is enrolled, its identity has another name."""

    site: str
    engine_id: str


class RabbitEngineBus:
    """An `EngineBus` and a `ChunkSink`. Enter it to connect; it goes on trying for ever."""

    ship_limit_s = RECEIPT_PATIENCE_S + 15

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        identity: Identity,
        address: EngineAddress,
        answer_timeout_s: float,
    ) -> None:
        self._identity = identity
        self._engine_id = address.engine_id
        self._answer_timeout_s = answer_timeout_s
        self._key = topology.engine_key(address.site, address.engine_id)
        self.wires = Wires(address.engine_id, parameters, self._subscribe)
        self._publisher = self.wires.publisher
        self._calls = Calls(identity, self.wires)
        self._receipts: dict[tuple[UUID, int], asyncio.Future[ChunkStored | ChunkRefused]] = {}
        self._obey: Obey | None = None

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
        """Disconnect. What was not answered stays unanswered."""
        await self.wires.__aexit__(kind, error, trace)

    async def request(self, message: Request) -> Reply:
        """Return control's answer; raise `BusUnavailableError` where none comes in time."""
        to = Destination(
            exchange=topology.REQUESTS,
            key=self._key,
            audience=topology.CONTROL,
            who="control",
        )
        body = await self._calls.ask(to, codec.encode(message), self._answer_timeout_s)
        reply = codec.decode_reply(body)
        if isinstance(reply, Failed):
            raise (BusUnavailableError if reply.again else BadMessageError)(reply.detail)
        return reply

    async def reach_storage(self) -> None:
        """Return once storage says that it could take a chunk; else `BusUnavailableError`."""
        to = Destination(
            exchange=topology.PINGS,
            key=self._key,
            audience=topology.STORAGE,
            who="the storage worker",
        )
        await self._calls.ask(to, codec.encode(PingStorage()), PING_LIMIT_S)

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt once `chunk` is stored.

        Raises `BusUnavailableError`, and `ChunkRefusedError` where it never will be.
        """
        header = chunk.header
        if len(chunk.encoded) > topology.MAX_CHUNK_BYTES:
            raise ChunkRefusedError(
                f"chunk {header.sequence} has {len(chunk.encoded)} bytes, and the bus takes "
                f"{topology.MAX_CHUNK_BYTES}: lower recorder.chunk_max_bytes"
            )
        name = (header.session_id, header.sequence)
        answered: asyncio.Future[ChunkStored | ChunkRefused]
        answered = asyncio.get_running_loop().create_future()
        self._receipts[name] = answered
        try:
            await self._publish(chunk)
            answer = await self._receipt(answered, header.sequence)
        finally:
            if self._receipts.get(name) is answered:
                del self._receipts[name]
        if isinstance(answer, ChunkRefused) and answer.digest == chunk.digest:
            raise ChunkRefusedError(answer.reason)
        return StorageReceipt(
            session_id=answer.session_id, sequence=answer.sequence, digest=answer.digest
        )

    def publish_live(self, feed_id: UUID, message: bytes) -> None:
        """Hand one sealed message to the watcher of a feed; never waits."""
        key = topology.feed_key(self._key, feed_id)
        self._publisher.publish_and_forget(topology.LIVE, key, message, properties_of())

    def obey(self, engine_id: str, handler: Obey) -> None:
        """Carry out the commands to `engine_id`, which is this engine, with `handler`."""
        if engine_id != self._engine_id:
            raise ValueError(f"{self._engine_id} cannot obey for {engine_id}")
        self._obey = handler

    # --- inside

    async def _publish(self, chunk: Chunk) -> None:
        header = chunk.header
        properties = properties_of(
            delivery_mode=PERSISTENT, correlation_id=f"{header.session_id}/{header.sequence}"
        )
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                await self._publisher.publish(
                    topology.CHUNKS, self._key, chunk.encoded, properties
                )
        except TimeoutError:
            raise BusUnavailableError(
                f"the broker did not confirm chunk {header.sequence} within "
                f"{self._answer_timeout_s:g} s"
            ) from None

    async def _receipt(
        self, answered: "asyncio.Future[ChunkStored | ChunkRefused]", sequence: int
    ) -> ChunkStored | ChunkRefused:
        try:
            async with asyncio.timeout(RECEIPT_PATIENCE_S):
                return await answered
        except TimeoutError:
            raise BusUnavailableError(
                f"no storage receipt for chunk {sequence} came within "
                f"{RECEIPT_PATIENCE_S:g} s: see that a storage worker serves this site"
            ) from None

    async def _subscribe(self, channel: OpenChannel) -> None:
        raw, engine_id = channel.raw, self._engine_id
        await channel.call(raw.basic_qos, prefetch_count=_COMMANDS_AT_ONCE)
        replies = topology.engine_replies(engine_id)
        commands = topology.engine_commands(engine_id)
        for queue in (replies, commands):
            await channel.call(
                raw.queue_declare, queue.name, durable=True, arguments=queue.arguments
            )
        # A connection that we gave up may live on at the broker for half a minute: it must
        # not get every second answer meanwhile.
        newest_first = {"x-priority": time.time_ns() // 1_000_000}
        await channel.call(
            raw.basic_consume,
            replies.name,
            self._on_reply,
            auto_ack=True,
            arguments=newest_first,
        )
        await channel.call(
            raw.basic_consume, commands.name, self._on_command, arguments=newest_first
        )
        outstanding = list(self._receipts.values())
        asyncio.get_running_loop().call_later(_RECEIPT_GRACE_S, _give_up, outstanding)

    def _on_reply(
        self,
        _channel: Channel,
        _method: Basic.Deliver,
        properties: pika.BasicProperties,
        envelope: bytes,
    ) -> None:
        if properties.type == RECEIPT:
            self._on_receipt(envelope)
        else:
            self._calls.came(properties, envelope)

    def _on_receipt(self, envelope: bytes) -> None:
        try:
            opened = self._identity.open(envelope)
            check_issuer(opened, topology.STORAGE)
            receipt = codec.decode_receipt(opened.body)
        except BadMessageError as error:
            _log.warning("message.refused", kind="receipt", reason=str(error))
            return
        waiting = self._receipts.get((receipt.session_id, receipt.sequence))
        # Of a chunk that nobody waits for any more: it is sent again, and acknowledged again.
        if waiting is not None and not waiting.done():
            waiting.set_result(receipt)

    def _on_command(
        self,
        channel: Channel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        envelope: bytes,
    ) -> None:
        channel.basic_ack(method.delivery_tag)
        self.wires.spawn(self._serve(properties, envelope))

    async def _serve(self, properties: pika.BasicProperties, envelope: bytes) -> None:
        try:
            opened = self._identity.open(envelope)
            check_issuer(opened, topology.CONTROL, topology.STORAGE)
            result = await self._obeyed(opened)
            answer = self._identity.sign(opened.issuer, codec.encode(result), opened.nonce)
            await self._publisher.publish(
                topology.RESULTS,
                properties.reply_to or "",
                answer,
                properties_of(correlation_id=properties.correlation_id),
            )
        except BusError as error:
            _log.warning("message.refused", kind="command", reason=str(error))

    async def _obeyed(self, opened: Opened) -> CommandResult:
        command = codec.decode_command(opened.body)
        if self._obey is None:
            return CommandResult(done=False, detail="the engine is not ready yet")
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                return await self._obey(command)
        except Exception as error:  # noqa: BLE001 - one message's boundary
            kind = type(command).__name__
            _log.error("message.failed", message=kind, by=self._engine_id, exc_info=error)
            return CommandResult(failed=True, done=False, detail=f"could not answer {kind}")


def _give_up(outstanding: "list[asyncio.Future[ChunkStored | ChunkRefused]]") -> None:
    for answered in outstanding:
        if not answered.done():
            answered.set_exception(
                BusUnavailableError("the storage receipt was lost with the connection")
            )
