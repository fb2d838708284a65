"""The bus over RabbitMQ, blocking: the storage worker's side.

What has come is stored in one transaction, then acknowledged to the broker, then storage
receipts go to its engines. Whatever happens in between, a chunk comes again and is known.

INVARIANT: a chunk leaves the queue only stored, refused by the store, or as a dead letter.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import pika
import pika.exceptions
import structlog
from msgspec import Struct
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.spec import Basic

from bus import codec, topology
from bus.backlog import FIRST_DELAY_S, LONGEST_DELAY_S, Backlog, Delivery
from bus.calls import RECEIPT, REPLY
from bus.contract import ChunkRefused, ChunkStored, Done, PingStorage, Receipt
from bus.errors import BadMessageError, BusError, BusUnavailableError
from bus.gaps import Gaps, Stored
from bus.link import said
from bus.ports import Identity, Missing, StoreAll
from bus.publisher import PERSISTENT, properties_of
from recorder.chunk import Chunk, decode
from recorder.errors import ChunkRefusedError, CorruptChunkError
from recorder.ports import StorageReceipt

PREFETCH: Final = 32
"""So many chunks, of about 1 MiB at most by default, may be in a worker's memory."""
_LOOK_UP_S: Final = 0.5
"""How often the other connection, the clock and the end are looked at."""
_HOLD_S: Final = 600.0
"""The broker takes a chunk away that is held for half an hour: it is put back before."""
_COUNT_INTERVAL_S: Final = 10.0
_BLOCKED_LIMIT_S: Final = 10.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_jitter = random.SystemRandom()


class Storage(Struct, frozen=True, kw_only=True):
    """What a worker does for the bus. All of it may block."""

    store_all: StoreAll
    probe: Callable[[], None]
    """Raises `BusUnavailableError` where a chunk could not be stored now."""
    missing: Missing
    lost: Callable[[ChunkStored, tuple[int, int]], None]
    """Is told of chunks that neither came nor can be sent again."""


class ChunkConsumer:
    """Takes chunks and pings. `run` it on a thread of its own, and its identity there alone."""

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        identity: Identity,
        sites: tuple[str, ...],
        storage: Storage,
        connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._parameters = parameters
        self._parameters.blocked_connection_timeout = _BLOCKED_LIMIT_S
        self._identity = identity
        self._sites = sites
        self._storage = storage
        self._connected = connected
        self._stopping = threading.Event()
        self._gaps = Gaps(identity, storage.missing, storage.lost)
        self._backlog = Backlog()
        self._consumer: BlockingConnection
        self._publisher: BlockingChannel
        self.is_up = False
        self.dead_letters = 0
        """How many chunks were given up on and wait for an operator."""

    def stop(self) -> None:
        """Let `run` return soon. From any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Consume until stopped; connect again whenever the broker is lost."""
        delay_s = FIRST_DELAY_S
        while not self._stopping.is_set():
            try:
                self._live()
                delay_s = FIRST_DELAY_S
            except (pika.exceptions.AMQPError, OSError) as error:
                _log.warning(
                    "bus.lost",
                    connection=self._identity.name,
                    reason=said(error),
                    next_step="it is tried again; see that the broker runs and can be reached",
                )
                if self.is_up:
                    delay_s = FIRST_DELAY_S
                self.is_up = False
                self._stopping.wait(_jitter.uniform(delay_s / 2, delay_s))
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    # --- inside

    def _live(self) -> None:
        with (
            contextlib.closing(BlockingConnection(self._parameters)) as consumer,
            contextlib.closing(BlockingConnection(self._parameters)) as publisher,
        ):
            self._consumer, self._publisher = consumer, publisher.channel()
            self._backlog = Backlog()
            channel = self._subscribe(consumer)
            self.is_up = True
            _log.info("bus.connected", connection=self._identity.name)
            self._connected()
            counted_at_s = 0.0
            while not self._stopping.is_set():
                self._listen(consumer)
                publisher.process_data_events(time_limit=0)
                self._store_next(channel)
                if time.monotonic() - counted_at_s > _COUNT_INTERVAL_S:
                    counted_at_s = time.monotonic()
                    self._count(channel)
        self.is_up = False

    def _subscribe(self, consumer: BlockingConnection) -> BlockingChannel:
        channel = consumer.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        for exchange in topology.EXCHANGES:
            channel.exchange_declare(exchange.name, exchange.kind, durable=True)
        for site in self._sites:
            for queue in topology.storage_queues(site):
                _declare(channel, queue)
            channel.basic_consume(topology.site_chunks(site).name, self._on_chunk)
            channel.basic_consume(topology.site_pings(site).name, self._on_ping, auto_ack=True)
        ours = topology.node_queue(self._gaps.node, self._gaps.fresh_name(), live=False)
        _declare(channel, ours)
        channel.basic_consume(ours.name, self._on_result, auto_ack=True)
        return channel

    def _count(self, channel: BlockingChannel) -> None:
        queues = [topology.site_dead(site).name for site in self._sites]
        found = [channel.queue_declare(queue, passive=True) for queue in queues]
        self.dead_letters = sum(one.method.message_count for one in found)

    def _listen(self, consumer: BlockingConnection) -> None:
        """Take what has come; wait for it where nothing is to be done."""
        wait_s = self._backlog.wait_s(time.monotonic())
        consumer.process_data_events(
            time_limit=_LOOK_UP_S if wait_s is None else min(wait_s, _LOOK_UP_S)
        )
        held = 0
        while len(self._backlog) > held:
            held = len(self._backlog)
            consumer.process_data_events(time_limit=0)

    def _on_chunk(
        self,
        channel: BlockingChannel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        tag, key = method.delivery_tag or 0, method.routing_key or ""
        try:
            chunk = decode(body)
        except CorruptChunkError as error:
            engine_id = topology.engine_of(key)
            _log.error("chunk.undecodable", engine=engine_id, reason=str(error))
            channel.basic_reject(tag, requeue=False)
            return
        delivery = Delivery(
            tag=tag,
            key=key,
            correlation_id=properties.correlation_id,
            chunk=chunk,
            tries=_deliveries(properties),
            came_s=time.monotonic(),
        )
        if delivery.tries >= topology.TRIES:
            self._bury(channel, delivery, "it failed each time it was stored")
        else:
            self._backlog.add(delivery)

    def _store_next(self, channel: BlockingChannel) -> None:
        batch = self._backlog.take(time.monotonic())
        for unstored in self._try_storing(channel, batch) if batch else ():
            now_s = time.monotonic()
            if now_s - unstored.came_s > _HOLD_S:
                self._put_back(channel, unstored)
            else:
                self._backlog.defer(unstored, now_s)

    def _try_storing(self, channel: BlockingChannel, batch: list[Delivery]) -> list[Delivery]:
        """Store, acknowledge and tell; return what storage was out of reach for."""
        try:
            outcomes = self._storage.store_all([each.chunk for each in batch])
        except BusUnavailableError as error:
            _log.warning("chunk.unstored", chunks=len(batch), reason=str(error))
            if len(batch) == 1 or not self._is_reachable():
                return batch
        except pika.exceptions.AMQPError:
            raise
        except Exception as error:  # noqa: BLE001 - one message's boundary: the others flow
            if len(batch) == 1:
                self._strike(channel, batch[0], error)
                return []
            _log.warning("batch.failed", chunks=len(batch), error=repr(error))
        else:
            self._settle(channel, batch, outcomes)
            return []
        # It may be the fault of one: the others do not wait for it.
        return [left for each in batch for left in self._try_storing(channel, [each])]

    def _is_reachable(self) -> bool:
        try:
            self._storage.probe()
        except BusUnavailableError:
            return False
        return True

    def _strike(self, channel: BlockingChannel, delivery: Delivery, error: Exception) -> None:
        engine_id, tries = topology.engine_of(delivery.key), delivery.tries
        _log.error("chunk.failed", engine=engine_id, tries=tries + 1, exc_info=error)
        # A chunk that fails at once must not take all the time of those behind it.
        self._consumer.sleep(min(0.1 * 2**tries, 1))
        channel.basic_nack(delivery.tag, requeue=True)

    def _settle(
        self,
        channel: BlockingChannel,
        batch: list[Delivery],
        outcomes: Sequence[StorageReceipt | ChunkRefusedError],
    ) -> None:
        """Let the broker forget chunks, and tell their engines what became of them."""
        stored: list[Stored] = []
        for each, outcome in zip(batch, outcomes, strict=True):
            engine_id, header = topology.engine_of(each.key), each.chunk.header
            channel.basic_ack(each.tag)
            if isinstance(outcome, ChunkRefusedError):
                self._send_receipt(engine_id, _refusal(each.chunk, str(outcome)))
                self._gaps.refused(header.session_id, header.sequence)
                continue
            receipt = ChunkStored(
                session_id=header.session_id,
                sequence=header.sequence,
                digest=outcome.digest,
            )
            self._send_receipt(engine_id, receipt)
            stored.append(Stored(engine_id, header, receipt))
        try:
            self._gaps.look(self._publisher, stored)
        except BusError as error:
            # The next chunk that is stored leads to the same gap.
            _log.warning("gap.not_looked_for", reason=str(error))

    def _put_back(self, channel: BlockingChannel, delivery: Delivery) -> None:
        """Return a chunk as if it were new: that storage is away is no strike against it."""
        again = properties_of(delivery_mode=PERSISTENT, correlation_id=delivery.correlation_id)
        with contextlib.closing(self._publisher.connection.channel()) as confirming:
            confirming.confirm_delivery()
            confirming.basic_publish(
                topology.CHUNKS, delivery.key, delivery.chunk.encoded, again, mandatory=True
            )
        channel.basic_ack(delivery.tag)

    def _bury(self, channel: BlockingChannel, delivery: Delivery, why: str) -> None:
        chunk, engine_id = delivery.chunk, topology.engine_of(delivery.key)
        header = chunk.header
        _log.error(
            "chunk.dead",
            engine=engine_id,
            session_id=str(header.session_id),
            sequence=header.sequence,
            reason=why,
            next_step="see this worker's log for what it fails of, then "
            "`proxyd bus dead-letters list` and `replay`",
        )
        channel.basic_reject(delivery.tag, requeue=False)
        self._gaps.refused(header.session_id, header.sequence)
        self._send_receipt(engine_id, _refusal(chunk, f"a dead letter: {why}"))

    def _send_receipt(self, engine_id: str, receipt: Receipt) -> None:
        envelope = self._identity.sign(engine_id, codec.encode(receipt))
        self._send(engine_id, envelope, properties_of(type=RECEIPT))

    def _on_ping(
        self,
        _channel: BlockingChannel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        envelope: bytes,
    ) -> None:
        try:
            opened = self._identity.open(envelope)
            if not isinstance(codec.decode_request(opened.body), PingStorage):
                raise BadMessageError("it is no ping")
            self._storage.probe()
            answer = self._identity.sign(opened.issuer, codec.encode(Done()), opened.nonce)
        except BusError as error:
            _log.debug("ping.unanswered", reason=str(error))
            return
        answering = properties_of(type=REPLY, correlation_id=properties.correlation_id)
        self._send(topology.engine_of(method.routing_key or ""), answer, answering)

    def _on_result(
        self,
        _channel: BlockingChannel,
        _method: Basic.Deliver,
        properties: pika.BasicProperties,
        envelope: bytes,
    ) -> None:
        try:
            self._gaps.answered(properties.correlation_id or "", envelope)
        except BusError as error:
            _log.warning("message.refused", kind="result", reason=str(error))

    def _send(self, engine_id: str, envelope: bytes, properties: pika.BasicProperties) -> None:
        """Send what may be lost: its engine asks again."""
        queue = topology.engine_replies(engine_id).name
        self._publisher.basic_publish(topology.DIRECT_TO_QUEUE, queue, envelope, properties)


def _declare(channel: BlockingChannel, queue: topology.Queue) -> None:
    channel.queue_declare(
        queue.name,
        durable=not queue.exclusive,
        exclusive=queue.exclusive,
        auto_delete=queue.exclusive,
        arguments=queue.arguments,
    )
    for exchange, key in queue.bindings:
        channel.queue_bind(queue.name, exchange, key)


def _deliveries(properties: pika.BasicProperties) -> int:
    """How often the chunk was delivered before, as a quorum queue counts."""
    counted = (properties.headers or {}).get("x-delivery-count", 0)
    return counted if isinstance(counted, int) else 0


def _refusal(chunk: Chunk, reason: str) -> ChunkRefused:
    header = chunk.header
    return ChunkRefused(
        session_id=header.session_id,
        sequence=header.sequence,
        digest=chunk.digest,
        reason=reason,
    )
