"""What engines ask, answered on a real database."""

import uuid

import pytest

from bus.contract import (
    Alive,
    DenialReason,
    Denied,
    Done,
    EngineStarted,
    Heartbeat,
    HostKeysPinned,
    PingStorage,
    PinHostKey,
    SessionFailed,
    SessionReady,
)
from bus.errors import BadMessageError, BusUnavailableError
from control.heartbeats import Heartbeats
from control.rpc import EngineRequests
from control.user_check import UserCheck
from recorder.events import EndReason
from storage.errors import StorageUnavailableError
from storage.tables import SessionRow

from .conftest import presented
from .test_secrets import HOST_KEY


@pytest.fixture
def heartbeats(clock):
    return Heartbeats(clock)


@pytest.fixture
def user_check(database, vault, clock):
    return UserCheck(database, vault, clock)


@pytest.fixture
def engine_requests(database, grants, clock, heartbeats, user_check):
    return EngineRequests(database, grants, clock, heartbeats, user_check)


@pytest.fixture
def ask(engine_requests):
    async def as_engine(request):
        return await engine_requests.answer(request, "engine-1")

    return as_engine


def row_of(database, session_id):
    with database.read() as session:
        return session.get(SessionRow, session_id)


async def test_a_refusal_is_an_answer(ask, issue):
    request = presented(issue(), password_proof=bytes(32))
    assert await ask(request) == Denied(reason=DenialReason.WRONG_PASSWORD)


async def test_a_bad_key_to_seal_to_is_a_bad_message(ask, issue):
    with pytest.raises(BadMessageError, match="not an X25519 public key"):
        await ask(presented(issue(), seal_to=b""))


async def test_a_lost_database_is_worth_another_try(engine_requests, issue, monkeypatch):
    def lost(request):
        raise StorageUnavailableError("disk full")

    monkeypatch.setattr(engine_requests._grants, "redeem", lost)
    with pytest.raises(BusUnavailableError, match="cannot use its database"):
        await engine_requests.answer(presented(issue()), "engine-1")


async def test_a_host_key_is_pinned(ask, session_id):
    answer = await ask(PinHostKey(session_id=session_id, host_key=HOST_KEY))
    assert answer == HostKeysPinned(host_keys=(HOST_KEY,))


async def test_a_session_nobody_granted_is_a_bad_message(ask, database):
    for message in (
        PinHostKey(session_id=uuid.uuid4(), host_key=HOST_KEY),
        SessionReady(session_id=uuid.uuid4()),
    ):
        with pytest.raises(BadMessageError, match="no session has the id"):
            await ask(message)


async def test_a_session_is_ready_when_the_target_took_the_login(
    ask, session_id, database, clock
):
    clock.advance(2)
    assert await ask(SessionReady(session_id=session_id)) == Done()
    assert row_of(database, session_id).ready_at == clock.now()


async def test_a_session_without_a_recording_is_listed_as_interrupted(
    ask, session_id, database, clock
):
    failed = SessionFailed(
        session_id=session_id, end_reason=EndReason.RECORDING_LOST, detail="the spool is full"
    )
    assert await ask(failed) == Done()
    row = row_of(database, session_id)
    assert (row.state, row.end_reason, row.ended_at) == (
        "interrupted",
        "recording_lost",
        clock.now(),
    )


async def test_an_engine_that_comes_back_loses_what_it_does_not_hold(
    ask, session_id, database, issue
):
    kept = (await ask(presented(issue()))).session_id
    elsewhere = (await ask(presented(issue(), engine_id="engine-2"))).session_id
    assert (
        await ask(EngineStarted(engine_id="engine-1", site="default", spooled_sessions=(kept,)))
        == Done()
    )
    states = {one: row_of(database, one).state for one in (session_id, kept, elsewhere)}
    assert states == {session_id: "lost", kept: "live", elsewhere: "live"}
    assert row_of(database, session_id).end_reason == "engine_crashed"


async def test_a_heartbeat_is_remembered_and_answered_with_the_key_for_passwords(
    ask, heartbeats, user_check
):
    beat = Heartbeat(
        engine_id="engine-1",
        site="dmz",
        version="1",
        live_sessions=3,
        unshipped_chunks=0,
        spool_bytes=0,
    )
    assert await ask(beat) == Alive(seal_to=user_check.public)
    assert heartbeats.fresh() == (beat,)


async def test_a_ping_for_storage_is_no_business_of_control(ask):
    with pytest.raises(BadMessageError, match="is for storage"):
        await ask(PingStorage())
