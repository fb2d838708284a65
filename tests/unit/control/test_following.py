import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from samples.chunks import KEYS, RECORDING_KEY, SESSION
from samples.databases import new_sqlite
from samples.recordings import until

from bus.contract import Command, CommandResult, WatchSession
from bus.errors import BusUnavailableError, FeedCutError
from bus.memory import MemoryBus
from bus.sealed_feed import FeedSealer
from control.following import FollowedSessions
from recorder.data_key import RecordingPrivateKey
from storage.database import Database
from storage.tables import SessionRow

Altering = Callable[[list[bytes]], list[bytes]]


class Engine:
    """Seals feeds as an engine does; what it publishes goes through `altered`."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.told: list[WatchSession] = []
        self.started = asyncio.Event()
        self.has_it = True
        self.recording_key = RECORDING_KEY
        self.feeds: dict[UUID, FeedSealer] = {}
        bus.obey("engine-1", self.obey)

    async def obey(self, command: Command) -> CommandResult:
        assert isinstance(command, WatchSession)
        assert command.feed_id
        self.told.append(command)
        self.started.set()
        if not self.has_it:
            return CommandResult(done=False)
        if not command.watching:
            return CommandResult(done=True)
        key = self.recording_key.public.new_data_key(SESSION)
        feed = self.feeds.setdefault(command.feed_id, FeedSealer(key, SESSION, command.feed_id))
        return CommandResult(done=True, feed=feed.told)

    def show(self, *bodies: bytes, altered: Altering = lambda messages: messages) -> None:
        for feed_id, feed in self.feeds.items():
            for message in altered([feed.seal(body) for body in bodies]):
                self.bus.publish_live(feed_id, message)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_sqlite(tmp_path / "db")
    with database.transaction() as session:
        words = ("protocol", "user", "secret", "target", "site", "client_address")
        session.add(
            SessionRow(
                id=SESSION,
                state="live",
                engine="engine-1",
                started_at=dt.datetime.now(dt.UTC),
                chain_broken=False,
                **dict.fromkeys(words, "x"),
                **dict.fromkeys(("chunks", "input_bytes", "output_bytes"), 0),
            )
        )
    yield database
    database.close()


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    async with MemoryBus(1) as bus:
        yield bus


@pytest.fixture
def engine(bus: MemoryBus) -> Engine:
    return Engine(bus)


@pytest.fixture
def followed(bus: MemoryBus, database: Database) -> FollowedSessions:
    return FollowedSessions(bus, database, KEYS, renew_s=0.05, late_s=0.05)


async def seen(followed: FollowedSessions) -> list[bytes]:
    async with asyncio.timeout(5):
        return [body async for body in followed.follow(SESSION)]


async def test_a_session_is_followed_to_its_end(engine: Engine, followed: FollowedSessions):
    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(seen(followed)) for _ in range(2)]
        await until(lambda: len(engine.feeds) == 2)
        engine.show(b"one")
        await asyncio.sleep(0.15)
        engine.show(b"two", b"")
    assert [reader.result() for reader in readers] == [[b"one", b"two"]] * 2
    assert len({told.feed_id for told in engine.told}) == 2
    assert all(told.watching for told in engine.told)


async def test_who_leaves_is_fed_no_more(engine: Engine, followed: FollowedSessions):
    following = followed.follow(SESSION)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(anext(following))
        await engine.started.wait()
        await asyncio.sleep(0.01)
        engine.show(b"one")
    assert first.result() == b"one"
    await following.aclose()
    assert not engine.told[-1].watching
    assert len(engine.bus._feeds) == 0


@pytest.mark.parametrize(
    ("altered", "why"),
    [
        (lambda messages: messages[1:], "lost 3 bytes; watch again"),
        (lambda messages: messages[::-1], "lost 3 bytes; watch again"),
        (lambda messages: [messages[0], messages[0]], "was altered on its way; watch again"),
        (lambda messages: [b"forged" * 9, *messages], "was altered on its way; watch again"),
        (lambda messages: [b"", *messages], "was altered on its way; watch again"),
        (lambda messages: [messages[0]], "lost 3 bytes; watch again"),
        (lambda messages: [], "lost 6 bytes; watch again"),
    ],
)
async def test_what_a_broker_does_to_a_feed_ends_the_watch(
    engine: Engine, followed: FollowedSessions, altered: Altering, why: str
):
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(cut(followed))
        await engine.started.wait()
        await asyncio.sleep(0.01)
        engine.show(b"one", b"two", altered=altered)
    shown, error = reader.result()
    assert why in error
    assert shown == [b"one", b"two"][: len(shown)]


async def cut(followed: FollowedSessions) -> tuple[list[bytes], str]:
    """What was shown before the feed was cut, and why it was."""
    shown: list[bytes] = []
    try:
        async with asyncio.timeout(5):
            async for body in followed.follow(SESSION):
                shown += [body]
    except FeedCutError as error:
        return shown, str(error)
    pytest.fail("the watch ended as if all were well")


async def test_an_end_that_does_not_come_is_missed(engine: Engine, followed: FollowedSessions):
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(cut(followed))
        await engine.started.wait()
        engine.has_it = False
    assert "lost its end" in reader.result()[1]


async def test_a_feed_that_the_engine_began_anew_is_another(
    engine: Engine, followed: FollowedSessions
):
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(cut(followed))
        await engine.started.wait()
        await asyncio.sleep(0.01)
        engine.feeds.clear()
    assert "begun the live feed anew" in reader.result()[1]


async def test_an_engine_that_is_gone_ends_the_watch(
    bus: MemoryBus, engine: Engine, followed: FollowedSessions
):
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(unavailable(followed))
        await engine.started.wait()
        await asyncio.sleep(0.01)
        bus._engines.clear()
    assert "engine-1 is not there" in reader.result()


async def unavailable(followed: FollowedSessions) -> str:
    with pytest.raises(BusUnavailableError) as raised:
        await seen(followed)
    return str(raised.value)


async def test_a_session_that_ended_meanwhile_is_said(
    engine: Engine, followed: FollowedSessions
):
    engine.has_it = False
    assert "has just ended" in await unavailable(followed)


async def test_a_session_that_is_not_live_cannot_be_followed(followed: FollowedSessions):
    with pytest.raises(BusUnavailableError, match=str(UUID(int=8))):
        await anext(followed.follow(UUID(int=8)))


async def test_a_key_that_is_not_here_opens_nothing(engine: Engine, followed: FollowedSessions):
    engine.recording_key = RecordingPrivateKey(bytes(32))
    assert "cannot be opened" in await unavailable(followed)


async def test_an_engine_that_does_not_seal_is_not_watched(
    bus: MemoryBus, followed: FollowedSessions
):
    async def obey(_command: Command) -> CommandResult:
        return CommandResult(done=True)

    bus.obey("engine-1", obey)
    assert "does not seal its live feeds: update it" in await unavailable(followed)
