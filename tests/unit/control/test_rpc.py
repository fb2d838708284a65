"""What engines ask, answered on a real database."""

import uuid

import msgspec
import pytest
from sqlalchemy import select

from bus.command_reports import CommandReport, HoldCommand, command_info
from bus.contract import (
    Alive,
    ConnectionLost,
    DenialReason,
    Denied,
    Done,
    EngineStarted,
    EnrolmentPending,
    FetchTrustedKeys,
    Heartbeat,
    HostKeysPinned,
    PingStorage,
    PinHostKey,
    SessionFailed,
    SessionReady,
    TrustedKeys,
)
from bus.errors import BadMessageError, BusUnavailableError
from bus.sealed import seal
from bus.signed import introduction
from control import authority, engines, node_keys
from control.credentials import Gateways
from control.heartbeats import Heartbeats
from control.log_in import LogIn
from control.node_keys import CONTROL, Purpose
from control.nt_hashes import NTLMCheck
from control.own_account import AccountRequests
from control.rpc import EngineRequests
from control.user_check import UserCheck
from recorder.events import EndReason
from storage.errors import StorageUnavailableError
from storage.tables import AuditRow, CredentialRow, SessionRow

from .conftest import presented
from .test_engines import request as enrolment_request
from .test_secrets import HOST_KEY
from .test_succession import rotation


@pytest.fixture
def heartbeats(clock):
    return Heartbeats(clock)


@pytest.fixture
def user_check(database, vault, clock):
    return UserCheck(LogIn(database, vault, clock), database, vault, clock)


@pytest.fixture
def accounts(database, grants, clock, vault, user_check):
    gateways = Gateways(host="bastion.example.org", ports={})
    return AccountRequests(database, vault, clock, user_check, grants, gateways)


@pytest.fixture
def ntlm_check(database, vault, clock):
    return NTLMCheck(database, vault, clock)


@pytest.fixture
def engine_requests(database, grants, clock, heartbeats, accounts, ntlm_check):
    return EngineRequests(database, grants, clock, heartbeats, accounts, ntlm_check)


@pytest.fixture
def ask(engine_requests):
    async def ask(request, asker="engine-1"):
        return await engine_requests.answer(request, asker)

    return ask


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


async def test_a_client_that_is_gone_without_a_word_is_awaited(
    ask, session_id, database, clock
):
    assert await ask(ConnectionLost(session_id=session_id)) == Done()
    with database.read() as session:
        credential_id = row_of(database, session_id).credential_id
        credential = session.get(CredentialRow, credential_id)
        assert (credential.lost_at, credential.lost_from) == (clock.now(), "192.0.2.7")


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


async def test_a_request_in_the_name_of_another_is_refused_and_written_down(
    ask, issue, database
):
    with pytest.raises(BadMessageError, match="engine-2 says it is 'engine-1'"):
        await ask(presented(issue()), "engine-2")
    with database.read() as session:
        assert session.scalars(select(SessionRow)).all() == []
        denial = session.scalar(select(AuditRow).where(AuditRow.action == "engine.denied"))
    assert (denial.who, denial.subject) == ("engine engine-2", "redeem_credential")


async def test_another_engines_session_is_left_alone(ask, session_id, database):
    failed = SessionFailed(
        session_id=session_id, end_reason=EndReason.TERMINATED, detail="not mine"
    )
    pinned = PinHostKey(session_id=session_id, host_key=HOST_KEY)
    for message in (failed, pinned, SessionReady(session_id=session_id)):
        with pytest.raises(BadMessageError, match="which is engine-1's"):
            await ask(message, "engine-2")
    row = row_of(database, session_id)
    assert (row.state, row.ready_at) == ("live", None)


async def test_unknown_unapproved_and_revoked_engines_get_nothing(ask, issue, database, clock):
    request = presented(issue())
    with database.transaction() as session:
        engines.revoke(session, "engine-1", clock.now())
    for asker in ("engine-1", "engine-9", "", introduction(bytes(32))):
        asked = msgspec.structs.replace(request, engine_id=asker)
        with pytest.raises(BadMessageError, match="no active engine"):
            await ask(asked, asker)
    with database.read() as session:
        assert session.scalars(select(SessionRow)).all() == []


async def test_a_revocation_that_overtakes_a_request_wins(
    ask, issue, database, clock, monkeypatch
):
    check = authority.check

    def check_then_revoke(session, request, asker):
        check(session, request, asker)
        with database.transaction() as writing:
            engines.revoke(writing, asker, clock.now())

    monkeypatch.setattr(authority, "check", check_then_revoke)
    assert await ask(presented(issue())) == Denied(reason=DenialReason.ENGINE_REVOKED)


async def test_who_asks_to_enrol_signs_with_the_key_that_he_asks_for(ask, clock):
    asked = enrolment_request(clock)
    assert await ask(asked, introduction(asked.signing_key)) == EnrolmentPending()
    for asker in ("engine-1", introduction(bytes(32))):
        with pytest.raises(BadMessageError, match="not its own"):
            await ask(asked, asker)


async def test_an_engine_learns_whom_to_believe_and_tells_its_new_key(
    ask, database, clock, engine_keys
):
    with database.transaction() as session:
        node_keys.add(session, CONTROL, Purpose.SIGNING, b"c" * 32, clock.now())
    told = await ask(FetchTrustedKeys())
    assert isinstance(told, TrustedKeys)
    assert told.control == (b"c" * 32,)
    assert await ask(rotation()) == Done()
    with database.read() as session:
        of_engine = node_keys.current(session, "engine-1", Purpose.SIGNING, clock.now())
    assert rotation().signing_key in of_engine


async def test_an_engine_that_comes_back_loses_what_it_does_not_hold(
    ask, session_id, database, issue
):
    kept = (await ask(presented(issue()))).session_id
    elsewhere = (await ask(presented(issue(), engine_id="engine-2"), "engine-2")).session_id
    assert (
        await ask(EngineStarted(engine_id="engine-1", site="default", spooled_sessions=(kept,)))
        == Done()
    )
    states = {one: row_of(database, one).state for one in (session_id, kept, elsewhere)}
    assert states == {session_id: "lost", kept: "live", elsewhere: "live"}
    assert row_of(database, session_id).end_reason == "engine_crashed"


async def test_what_gateways_show_is_known_by_the_site_of_their_engine(ask, database):
    key, other, digest = "ssh-ed25519 AAAA", "ssh-rsa AAAB", "ab" * 32
    given = {"site": "default", "spooled_sessions": ()}
    for name, keys, shown in (("engine-1", (key, other), digest), ("engine-2", (key,), "")):
        more = {"host_keys": keys, "certificate_fingerprint": shown}
        await ask(EngineStarted(engine_id=name, **given, **more), name)
    with database.read() as session:
        for site in ("default", None):
            assert engines.shown_by_gateways(session, site) == ((key, other), (digest,))
        assert engines.shown_by_gateways(session, "elsewhere") == ((), ())
    with database.transaction() as session:
        engines.revoke(session, "engine-1", engines.find(session, "engine-1").requested_at)
    with database.read() as session:
        assert engines.shown_by_gateways(session, None) == ((key,), ())


async def test_a_heartbeat_is_remembered_and_answered_with_the_key_for_passwords(
    ask, heartbeats, user_check
):
    beat = Heartbeat(
        engine_id="engine-1",
        site="default",
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


async def test_a_command_is_told_sealed_and_of_one_s_own_session_only(
    ask, session_id, accounts, database
):
    sealed = seal(accounts.public, b"wipe \x1bit", command_info(session_id))
    report = CommandReport(
        session_id=session_id,
        rule="no-wipe",
        action="notice",
        outcome="refused",
        sealed_command=sealed,
    )
    assert await ask(report) == Done()
    with database.read() as session:
        row = session.scalars(select(AuditRow).order_by(AuditRow.id.desc())).first()
    assert (row.action, row.detail[-10:]) == ("command.matched", ": wipe  it")
    hold = HoldCommand(session_id=session_id, rule="r", sealed_command=sealed)
    assert (await ask(hold)).approved is None
    with pytest.raises(BadMessageError):
        await ask(hold, "engine-2")
