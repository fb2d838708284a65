import asyncio
from uuid import UUID

import pytest

from bus.contract import CommandResult, MessageUser, PauseSession, TerminateSession
from bus.memory import MemoryBus
from control.errors import UnreachableError
from control.live import BusLiveSessions, NoLiveSessions

SESSION = UUID(int=7)


async def test_commands_reach_the_engine_from_a_thread():
    told = []

    async def obey(command):
        told.append(command)
        return CommandResult(done=True)

    async with MemoryBus(answer_timeout_s=5) as bus:
        bus.obey("engine-1", obey)
        live = BusLiveSessions(bus)
        await asyncio.to_thread(live.message, "engine-1", SESSION, "lunch")
        await asyncio.to_thread(live.pause, "engine-1", SESSION, "wait", paused=True)
        await asyncio.to_thread(live.terminate, "engine-1", SESSION, "over")
    assert told == [
        MessageUser(session_id=SESSION, text="lunch"),
        PauseSession(session_id=SESSION, text="wait", paused=True),
        TerminateSession(session_id=SESSION, reason="over"),
    ]


async def test_an_engine_that_no_longer_has_the_session_says_so():
    async def obey(command):
        return CommandResult(done=False, detail="it has ended")

    async with MemoryBus(answer_timeout_s=5) as bus:
        bus.obey("engine-1", obey)
        live = BusLiveSessions(bus)
        with pytest.raises(UnreachableError, match="could not do it: it has ended"):
            await asyncio.to_thread(live.terminate, "engine-1", SESSION, "over")


async def test_an_engine_that_is_not_there_is_named():
    async with MemoryBus(answer_timeout_s=5) as bus:
        live = BusLiveSessions(bus)
        with pytest.raises(UnreachableError, match="engine engine-9 does not answer"):
            await asyncio.to_thread(live.terminate, "engine-9", SESSION, "over")


def test_where_no_node_runs_nothing_is_paused():
    with pytest.raises(UnreachableError, match="start it with `proxyd run`"):
        NoLiveSessions().pause("engine-1", SESSION, "wait", paused=True)


def test_where_no_node_runs_nothing_is_live():
    for refused in (NoLiveSessions().terminate, NoLiveSessions().message):
        with pytest.raises(UnreachableError, match="start it with `proxyd run`"):
            refused("engine-1", SESSION, "over")
