import asyncio
import datetime as dt
from uuid import UUID

import pytest

from bus.contract import CommandResult, WatchSession
from bus.errors import BusUnavailableError
from bus.memory import MemoryBus
from config.errors import ConfigError
from config.model import DatabaseSettings, Settings
from control.state_dir import Initialiser
from proxyd.control import FollowedBus, opened_database, opened_vault
from proxyd.service import StartError
from recorder.clock import SystemClock
from storage.database import Database
from storage.tables import SessionRow

SESSION = UUID(int=7)


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path)


def test_a_database_of_an_unknown_kind_is_a_matter_of_settings(tmp_path):
    database = DatabaseSettings(url="mysql://host/db")
    with (
        pytest.raises(ConfigError, match="mysql is no database"),
        opened_database(Settings(state_dir=tmp_path, database=database)),
    ):
        pass


def test_a_database_that_cannot_be_opened_may_be_tried_again(tmp_path):
    settings = Settings(state_dir=tmp_path / "nowhere")
    with pytest.raises(StartError, match="check that its disk"), opened_database(settings):
        pass


def test_the_wrong_master_key_is_named(settings):
    Initialiser(settings, SystemClock()).run()
    (settings.state_dir / "master.key").write_bytes(bytes(32))
    with (
        opened_database(settings) as database,
        pytest.raises(ConfigError, match="restore the key that belongs"),
    ):
        opened_vault(settings, database)


class Engine:
    """Obeys, and remembers what it was told."""

    def __init__(self, bus: MemoryBus, *, has_it: bool = True) -> None:
        self.told: list[bool] = []
        self.told_twice = asyncio.Event()
        self.has_it = has_it
        bus.obey("engine-1", self.obey)

    async def obey(self, command: WatchSession) -> CommandResult:
        self.told.append(command.watching)
        if len(self.told) == 2:
            self.told_twice.set()
        return CommandResult(done=self.has_it)


@pytest.fixture
def database(settings):
    database = Database(settings.database_url)
    database.migrate()
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
async def bus():
    async with MemoryBus(1) as bus:
        yield bus


async def test_an_engine_feeds_a_session_only_while_somebody_watches(bus, database):
    engine, followed = Engine(bus), FollowedBus(bus, database)
    first, second = followed.watch(SESSION), followed.watch(SESSION)
    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(anext(feed)) for feed in (first, second)]
        async with asyncio.timeout(5):
            await engine.told_twice.wait()
        bus.publish_live(SESSION, b"shown")
    assert [reader.result() for reader in readers] == [b"shown", b"shown"]
    await first.aclose()
    assert False not in engine.told
    await second.aclose()
    assert engine.told[-1] is False


async def test_a_session_that_ended_meanwhile_is_said(bus, database):
    Engine(bus, has_it=False)
    with pytest.raises(BusUnavailableError, match="has just ended"):
        await anext(FollowedBus(bus, database).watch(SESSION))


async def test_a_session_that_is_not_live_cannot_be_followed(bus, database):
    with pytest.raises(BusUnavailableError, match=str(UUID(int=8))):
        await anext(FollowedBus(bus, database).watch(UUID(int=8)))
