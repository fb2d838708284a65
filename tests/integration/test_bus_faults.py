"""The bus over RabbitMQ when things go wrong, on a real broker."""

import asyncio
import secrets
import shlex
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pika
import pika.exceptions
import pytest
from peers.certificates import Authority
from peers.rabbitmq import PASSWORD, USER, VirtualHost
from samples.buses import (
    SITE,
    OnBroker,
    consuming,
    nothing_missing,
    receipt,
    up,
    working,
)
from samples.chunks import SESSION, chunk, three_chunks
from samples.recordings import until

from bus import topology
from bus.amqp import parameters
from bus.consumer import Storage
from bus.contract import CommandResult, Done, ResendChunks, SessionReady
from bus.dead_letters import DeadLetters
from bus.errors import BusUnavailableError, FeedCutError
from bus.policy import engine_policy, worker_policy
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from config.model import BusSettings
from config.redacted import Redacted
from recorder.chunk import Chunk, ChunkHeader
from recorder.errors import ChunkRefusedError
from recorder.events import ClientData
from recorder.ports import StorageReceipt

READY = SessionReady(session_id=SESSION)
FIRST = chunk([ClientData(at_ms=0, channel=0, data=b"x")])


@pytest.fixture
def limit_s() -> float:
    """How long an answer is waited for: what is to be answered is so on a busy machine too."""
    return 20


waits_in_vain = pytest.mark.parametrize("limit_s", [3])


@pytest.fixture
async def bus(vhost: VirtualHost, limit_s: float) -> AsyncIterator[OnBroker]:
    async with AsyncExitStack() as stack:
        broker = OnBroker(vhost, stack, limit_s)
        await broker.start()
        yield broker


async def answered(request: object, asker: str) -> Done:
    return Done()


async def within(seconds: float, succeeds: Callable[[], Awaitable[object]]) -> None:
    """Try until it works."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await succeeds()
            except BusUnavailableError:
                await asyncio.sleep(0.1)
            else:
                return


def other(number: int) -> Chunk:
    """The only chunk of another session."""
    events = [ClientData(at_ms=0, channel=0, data=b"%d" % number)]
    return chunk(events, session_id=UUID(int=100 + number))


async def test_a_poison_chunk_becomes_a_dead_letter_and_the_others_flow(bus: OnBroker):
    poison, deliveries, stored = FIRST, [0], []

    def store(chunk: Chunk) -> StorageReceipt:
        if chunk.digest == poison.digest:
            deliveries[0] += 1
            raise ValueError("a defect that this chunk meets each time")
        stored.append(chunk.digest)
        return receipt(chunk)

    letters = DeadLetters(bus.vhost.parameters(), (SITE,))
    async with working(bus, store), asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        poisonous = tasks.create_task(refused(bus, poison))
        await until(lambda: deliveries[0] > 0)
        for healthy in map(other, range(20)):
            assert await bus.engine().ship(healthy) == receipt(healthy)
        assert "a dead letter" in await poisonous
        assert deliveries == [topology.TRIES]
        [letter] = await asyncio.to_thread(letters.all)
        assert (letter.engine, letter.session, letter.sequence) == ("engine-1", str(SESSION), 0)
        assert [letter] == await asyncio.to_thread(letters.all), "a look changed something"
    assert len(stored) == 20
    async with working(bus, receipt):
        assert [letter] == await asyncio.to_thread(letters.replay, lambda _: True)
        await until(lambda: bus.vhost.depth(topology.site_chunks(SITE).name) == 0)
    assert await asyncio.to_thread(letters.all) == []


async def refused(bus: OnBroker, poison: Chunk) -> str:
    with pytest.raises(ChunkRefusedError) as raised:
        await bus.engine().ship(poison)
    return str(raised.value)


class Together:
    """Stores all or nothing, as a transaction does, and knows what it was handed."""

    def __init__(self, fails: Callable[[Chunk], Exception | None] = lambda _: None) -> None:
        self._fails = fails
        self.batches: list[int] = []
        self.stored: set[bytes] = set()

    def __call__(self, chunks: Sequence[Chunk]) -> list[StorageReceipt]:
        self.batches.append(len(chunks))
        for each in chunks:
            if error := self._fails(each):
                raise error
        self.stored |= {each.digest for each in chunks}
        return [receipt(each) for each in chunks]

    def storage(self) -> Storage:
        return Storage(
            store_all=self, probe=lambda: None, missing=nothing_missing, lost=lambda *_: None
        )


async def backlog(
    bus: OnBroker, chunks: Iterable[Chunk]
) -> list[asyncio.Future[StorageReceipt]]:
    """Let chunks lie in the queue that no worker takes them from."""
    async with working(bus, receipt):
        pass
    shipping = [asyncio.ensure_future(bus.engine().ship(one)) for one in chunks]  # noqa: TID251 - a test's
    queue = topology.site_chunks(SITE).name
    await until(lambda: bus.vhost.depth(queue) == len(shipping))
    return shipping


async def test_what_has_come_is_stored_together_and_a_single_chunk_at_once(bus: OnBroker):
    made = [other(number) for number in range(40)]
    waiting = await backlog(bus, made)
    together = Together()
    async with consuming(bus, together.storage()), asyncio.timeout(60):
        assert await asyncio.gather(*waiting) == [receipt(each) for each in made]
        assert len(together.batches) < 10
        together.batches.clear()
        assert await bus.engine().ship(FIRST) == receipt(FIRST)
        assert together.batches == [1]


async def test_of_a_backlog_with_a_poison_chunk_all_others_are_stored(bus: OnBroker):
    made = [other(number) for number in range(10)]
    waiting = await backlog(bus, made)
    poison = made[4].digest

    def fails(chunk: Chunk) -> Exception | None:
        return ValueError("a defect") if chunk.digest == poison else None

    together = Together(fails)
    async with consuming(bus, together.storage()), asyncio.timeout(60):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [n for n, one in enumerate(outcomes) if isinstance(one, ChunkRefusedError)] == [4]
    assert len(together.stored) == 9
    assert bus.vhost.depth(topology.site_dead(SITE).name) == 1


async def test_a_chunk_whose_key_is_missing_waits_and_holds_up_no_other(bus: OnBroker):
    made = [other(number) for number in range(10)]
    waiting = await backlog(bus, made)
    keyless, key_is_back = made[4].digest, threading.Event()

    def fails(chunk: Chunk) -> Exception | None:
        if chunk.digest != keyless or key_is_back.is_set():
            return None
        return BusUnavailableError("the recording key is not in this database")

    async with consuming(bus, Together(fails).storage()), asyncio.timeout(60):
        await asyncio.gather(*waiting[:4], *waiting[5:])
        assert await bus.engine().ship(FIRST) == receipt(FIRST)
        assert not waiting[4].done()
        key_is_back.set()
        assert await waiting[4] == receipt(made[4])
    assert bus.vhost.depth(topology.site_dead(SITE).name) == 0


async def test_a_chunk_that_its_worker_dies_of_takes_none_of_the_backlog_with_it(bus: OnBroker):
    made = [other(number) for number in range(10)]
    waiting = await backlog(bus, made)
    deadly = made[4].digest

    def fails(chunk: Chunk) -> Exception | None:
        return pika.exceptions.StreamLostError("gone") if chunk.digest == deadly else None

    together = Together(fails)
    async with consuming(bus, together.storage()), asyncio.timeout(60):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [n for n, one in enumerate(outcomes) if isinstance(one, Exception)] == [4]
    assert "a dead letter" in str(outcomes[4])
    assert len(together.stored) == 9


async def test_a_dead_letter_is_discarded_only_when_it_is_meant(bus: OnBroker):
    def store(chunk: Chunk) -> StorageReceipt:
        raise ValueError("a defect")

    async with working(bus, store):
        for number in range(2):
            with pytest.raises(ChunkRefusedError):
                await bus.engine().ship(other(number))
    letters = DeadLetters(bus.vhost.parameters(), (SITE,))
    both = await asyncio.to_thread(letters.all)
    gone = await asyncio.to_thread(letters.discard, lambda one: one.id == both[0].id)
    assert gone == both[:1]
    assert await asyncio.to_thread(letters.all) == both[1:]


async def test_a_worker_that_dies_of_a_chunk_does_not_die_for_ever(bus: OnBroker):
    """As SIGKILL would: the connection goes, the chunk was not acknowledged."""
    seen: list[bytes] = []

    def store(chunk: Chunk) -> StorageReceipt:
        seen.append(chunk.digest)
        raise pika.exceptions.StreamLostError("the worker is gone")

    async with working(bus, store), asyncio.timeout(60):
        assert "a dead letter" in await refused(bus, FIRST)
    assert len(seen) == topology.TRIES


@waits_in_vain
async def test_a_database_that_is_away_is_no_strike_against_a_chunk(bus: OnBroker):
    away, tries = threading.Event(), [0]
    away.set()

    def store(chunk: Chunk) -> StorageReceipt:
        tries[0] += 1
        if away.is_set():
            raise BusUnavailableError("the database is away")
        return receipt(chunk)

    def probe() -> None:
        if away.is_set():
            raise BusUnavailableError("the database is away")

    async with working(bus, store, probe=probe), asyncio.timeout(60):
        shipping = asyncio.ensure_future(bus.engine().ship(FIRST))  # noqa: TID251 - a test's
        await until(lambda: tries[0] > 2)
        with pytest.raises(BusUnavailableError, match="did not answer"):
            await bus.engine().reach_storage()
        away.clear()
        assert await shipping == receipt(FIRST)
    assert bus.vhost.depth(topology.site_dead(SITE).name) == 0


async def test_a_gap_is_asked_for_again_and_marked_when_it_stays(bus: OnBroker):
    made, asked, marked = three_chunks(), [], []

    def missing(headers: Sequence[ChunkHeader]) -> list[tuple[int, int] | None]:
        return [(1, 1) if each.sequence == 2 else None for each in headers]

    async def obey(command: object) -> CommandResult:
        asked.append(command)
        return CommandResult(done=False, detail="it is not here")

    def lost(after: object, span: tuple[int, int]) -> None:
        marked.append(span)

    bus.engine().obey("engine-1", obey)
    async with working(bus, receipt, missing=missing, lost=lost):
        for one in (made[0], made[2], made[2]):
            await bus.engine().ship(one)
        await until(lambda: marked)
    assert asked == [ResendChunks(session_id=SESSION, first=1, last=1)]
    assert marked == [(1, 1)]


async def test_a_full_queue_refuses_and_forgets_nothing(bus: OnBroker, monkeypatch):
    monkeypatch.setattr(topology, "_MAX_WAITING_CHUNK_BYTES", 2000)
    async with working(bus, receipt):
        pass
    held, queue = [], topology.site_chunks(SITE).name
    large = [ClientData(at_ms=0, channel=0, data=secrets.token_bytes(1500))]
    for number in range(20):
        one = chunk(large, session_id=UUID(int=200 + number))
        shipping = asyncio.ensure_future(bus.engine().ship(one))  # noqa: TID251 - a test's
        # Either it is refused, or it lies there; which of both may take its time.
        await until(lambda: shipping.done() or bus.vhost.depth(queue) > len(held))  # noqa: B023
        if shipping.done():
            break
        held.append(shipping)
    with pytest.raises(BusUnavailableError, match="queue is full"):
        await shipping
    assert held
    async with working(bus, receipt):
        for stored in held:
            await stored


async def test_a_chunk_that_nobody_takes_is_not_lost_but_sent_back(bus: OnBroker):
    with pytest.raises(BusUnavailableError, match="nobody takes messages of"):
        await bus.engine().ship(FIRST)


@waits_in_vain
async def test_a_broker_short_of_disk_blocks_chunks_but_not_what_engines_hear(bus: OnBroker):
    async with working(bus, receipt):
        broker = bus.vhost.broker
        await asyncio.to_thread(broker.ctl, "set_disk_free_limit", "100000GB")
        try:
            # The broker says so to whoever publishes next.
            for _ in range(2):
                with pytest.raises(BusUnavailableError):
                    await bus.engine().ship(FIRST)
            await until(lambda: bus.engine().wires.publisher.link.blocked)
            with pytest.raises(BusUnavailableError, match="disk or memory is low"):
                await bus.engine().request(READY)
        finally:
            await asyncio.to_thread(broker.ctl, "set_disk_free_limit", "50MB")
        await within(40, lambda: bus.engine().ship(FIRST))


async def test_answers_go_to_the_connection_that_an_engine_made_last(bus: OnBroker):
    """The broker may not know for half a minute that the one before it leads nowhere."""
    bus.control.answer(answered)
    address = EngineAddress(site=SITE, engine_id="engine-1")
    identity = bus.keys.identity("engine-1")
    async with RabbitEngineBus(bus.vhost.parameters(), identity, address, 20) as again:
        await up(again)
        for _ in range(4):
            assert await again.request(READY) == Done()


async def test_connections_cut_by_the_broker_are_made_anew(bus: OnBroker):
    bus.control.answer(answered)
    feed = bus.control.watch(SESSION)
    bus.engine().publish_live(SESSION, b"one")
    assert await feed.get() == b"one"
    vhost, reason = bus.vhost.name, "an administrator's whim"
    await asyncio.to_thread(
        bus.vhost.broker.ctl, "close_all_connections", "--vhost", vhost, reason
    )
    with pytest.raises(FeedCutError):
        async with asyncio.timeout(60):
            await feed.get()
    await within(30, lambda: bus.engine().request(READY))
    async with working(bus, receipt):
        await within(30, lambda: bus.engine().ship(FIRST))


async def apply(vhost: VirtualHost, lines: list[str]) -> None:
    """Run what the policy prints; the password is the tests'."""
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:2] == ["rabbitmqctl", "add_user"]:
            words.append(PASSWORD)
        if words:
            await asyncio.to_thread(vhost.broker.ctl, *words[1:])


async def test_an_engine_s_user_can_do_its_work_and_nothing_else(bus: OnBroker):
    vhost, user = bus.vhost, f"engine-3-{secrets.token_hex(3)}"
    await apply(vhost, engine_policy(vhost.name, user, SITE, "engine-3"))
    bus.control.answer(answered)
    ours = vhost.parameters(user)
    address = EngineAddress(site=SITE, engine_id="engine-3")
    async with (
        working(bus, receipt),
        RabbitEngineBus(ours, bus.keys.identity("engine-3"), address, 20) as engine,
    ):
        await up(engine)
        assert await engine.request(READY) == Done()
        assert await engine.ship(FIRST) == receipt(FIRST)
        await engine.reach_storage()
        feed = bus.control.watch(SESSION)
        engine.publish_live(SESSION, b"shown")
        async with asyncio.timeout(60):
            assert await feed.get() == b"shown"
    forbidden = {
        "read another engine's commands": lambda channel: channel.basic_get(
            topology.engine_commands("engine-2").name
        ),
        "read its site's chunks": lambda channel: channel.basic_get(
            topology.site_chunks(SITE).name
        ),
        "listen to all live feeds": lambda channel: channel.queue_bind(
            topology.engine_replies("engine-3").name, topology.LIVE, "#"
        ),
        "make a queue of its own": lambda channel: channel.queue_declare("mine"),
        "empty a queue": lambda channel: channel.queue_purge(topology.site_chunks(SITE).name),
        "send a chunk as another engine": lambda channel: channel.basic_publish(
            topology.CHUNKS, f"{SITE}.engine-2", b"forged"
        ),
        "send a chunk for another site": lambda channel: channel.basic_publish(
            topology.CHUNKS, "elsewhere.engine-3", b"forged"
        ),
        "write into another engine's queue": lambda channel: channel.basic_publish(
            "", topology.engine_replies("engine-2").name, b"forged"
        ),
    }
    allowed = [
        what
        for what, act in forbidden.items()
        if not await asyncio.to_thread(denied, ours, act)
    ]
    assert allowed == []


def denied(parameters: pika.ConnectionParameters, act: Callable[..., object]) -> bool:
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        try:
            channel.confirm_delivery()
            act(channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            return bool(error.reply_code == 403)
        return False


async def test_a_worker_s_user_can_do_its_work(bus: OnBroker):
    vhost, user = bus.vhost, f"worker-{secrets.token_hex(3)}"
    await apply(vhost, worker_policy(vhost.name, user))
    async with working(bus, receipt, user=user):
        assert await bus.engine().ship(FIRST) == receipt(FIRST)
        await bus.engine().reach_storage()


async def over_tls(bus: OnBroker, **files: Path) -> RabbitEngineBus:
    """A third engine, on the broker's TLS port."""
    url = f"amqps://{USER}@127.0.0.1:{bus.vhost.broker.tls_port}/{bus.vhost.name}"
    broker = parameters(BusSettings(url=url, **files), Redacted(PASSWORD), "engine-3")
    address = EngineAddress(site=SITE, engine_id="engine-3")
    return RabbitEngineBus(broker, bus.keys.identity("engine-3"), address, 20)


async def test_over_tls_both_ends_show_a_certificate(bus: OnBroker, tmp_path: Path):
    authority = bus.vhost.broker.authority
    ours = authority.sign("engine-3")
    ours.key.chmod(0o600)
    bus.control.answer(answered)
    files = {"certificate_file": ours.certificate, "key_file": ours.key}
    async with await over_tls(bus, ca_file=authority.file, **files) as engine:
        await up(engine)
        assert await engine.request(READY) == Done()


async def test_over_tls_a_stranger_s_broker_is_not_spoken_to_nor_we_without_certificate(
    bus: OnBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    authority, stranger = bus.vhost.broker.authority, Authority(tmp_path, "stranger")
    said = [""]

    def is_told() -> bool:
        said[0] += capsys.readouterr().out
        return "CERTIFICATE_VERIFY_FAILED" in said[0]

    for trusted in (stranger, authority):
        async with await over_tls(bus, ca_file=trusted.file) as engine:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await engine.wires.wait_up()
            await until(is_told)
