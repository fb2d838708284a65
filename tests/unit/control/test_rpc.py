"""What engines ask, answered on a real database."""

import uuid

import pytest
from sqlalchemy import select

from bus.contract import (
    DenialReason,
    Denied,
    Done,
    EngineStarted,
    Grant,
    HostKeysPinned,
    PinHostKey,
    SessionFailed,
    SessionReady,
)
from bus.errors import BadMessageError, BusUnavailableError
from control import secrets, sessions
from control.requests import EditSecret, ListSessions
from control.rpc import EngineRequests
from recorder.events import EndReason
from storage.errors import StorageUnavailableError
from storage.tables import AuditRow, SessionRow

from .conftest import presented
from .test_secrets import HOST_KEY

ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def engine_requests(database, grants, clock):
    return EngineRequests(database, grants, clock)


@pytest.fixture
def ask(engine_requests):
    return engine_requests.answer


@pytest.fixture
async def session_id(ask, issue):
    grant = await ask(presented(issue(uses=9)))
    assert isinstance(grant, Grant)
    return grant.session_id


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
        await engine_requests.answer(presented(issue()))


async def test_the_first_key_wins_and_leaves_a_trace(ask, session_id, database):
    first = await ask(PinHostKey(session_id=session_id, host_key=f"{HOST_KEY} comment"))
    second = await ask(PinHostKey(session_id=session_id, host_key=ANOTHER_KEY))
    assert first == second == HostKeysPinned(host_keys=(HOST_KEY,))
    with database.read() as session:
        pins = session.scalars(
            select(AuditRow).where(AuditRow.action == "host_key.pinned")
        ).all()
    assert [(pin.subject, pin.detail) for pin in pins] == [("web1", HOST_KEY)]


async def test_the_pinned_key_goes_into_the_next_grant(ask, session_id, issue):
    await ask(PinHostKey(session_id=session_id, host_key=HOST_KEY))
    assert (await ask(presented(issue()))).host_keys == (HOST_KEY,)


async def test_a_moved_secret_learns_nothing_from_its_old_target(
    ask, session_id, database, vault, clock
):
    with database.transaction() as session:
        secrets.edit(session, vault, EditSecret(name="web1", host="elsewhere"), clock.now())
    answer = await ask(PinHostKey(session_id=session_id, host_key=HOST_KEY))
    assert answer == HostKeysPinned(host_keys=())
    with database.read() as session:
        assert secrets.list_all(session)[0].host_keys == ()


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !!!!", "hunter2"])
async def test_what_is_no_host_key_is_not_pinned(ask, session_id, key):
    with pytest.raises(BadMessageError):
        await ask(PinHostKey(session_id=session_id, host_key=key))


async def test_a_session_nobody_granted_pins_nothing(ask, database):
    with pytest.raises(BadMessageError, match="no session has the id"):
        await ask(PinHostKey(session_id=uuid.uuid4(), host_key=HOST_KEY))


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


async def test_lists_are_filtered_and_newest_first(ask, session_id, database, clock, issue):
    clock.advance(60)
    later = (await ask(presented(issue()))).session_id
    with database.transaction() as session:
        session.get(SessionRow, session_id).state = "finished"

    def listed(**wanted):
        with database.read() as session:
            return [one.id for one in sessions.list_all(session, ListSessions(**wanted))]

    moment = clock.now()
    assert listed() == [later, session_id]
    assert listed(limit=1) == listed(live=True) == listed(since=moment) == [later]
    assert listed(until=moment) == [session_id]
    assert listed(user="bob") == listed(secret="web2") == []


async def test_complete_means_every_chunk_and_a_whole_chain(session_id, database):
    def complete(**columns):
        row = row_of(database, session_id)
        for name, value in columns.items():
            setattr(row, name, value)
        return sessions.summary(row).complete

    assert not complete()
    assert not complete(last_sequence=2, chunks=2)
    assert complete(last_sequence=2, chunks=3)
    assert not complete(last_sequence=2, chunks=3, chain_broken=True)
