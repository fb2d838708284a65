"""Who becomes an engine, and who does not."""

import datetime as dt

import msgspec
import pytest
from sqlalchemy import select

from bus import enrolment
from bus.contract import EngineEnrolled, EnrolEngine, EnrolmentPending, EnrolmentRefused
from control import engines, node_keys
from control.audit import Act
from control.errors import ConflictError, DeniedError, NotFoundError
from control.node_keys import CONTROL, Purpose
from storage.tables import AuditRow

CODE = "abcde-fghjk-mnpqr-stuvw"
CONTROL_KEY = b"c" * 32


def request(clock, code=CODE, **other):
    fields = {
        "engine_id": "engine-9",
        "site": "dmz",
        "signing_key": b"s" * 32,
        "sealing_key": b"x" * 32,
        "expires_at": clock.now() + dt.timedelta(hours=1),
        "code_proof": b"",
    } | other
    unproven = EnrolEngine(**fields)
    proof = enrolment.engine_proof(code, unproven)
    return msgspec.structs.replace(unproven, code_proof=proof)


@pytest.fixture
def do(database, clock):
    def do(what, *arguments):
        with database.transaction() as session:
            return what(session, *arguments, Act("test", clock.now()))

    return do


@pytest.fixture
def asked(do, clock, database):
    with database.transaction() as session:
        node_keys.add(session, CONTROL, Purpose.SIGNING, CONTROL_KEY, clock.now())
    asked = request(clock)
    assert do(engines.ask, asked) == EnrolmentPending()
    return asked


@pytest.fixture
def listed(database, clock):
    def listed():
        with database.read() as session:
            return engines.list_all(session, clock.now())

    return listed


def current(database, clock, purpose):
    with database.read() as session:
        return node_keys.current(session, "engine-9", purpose, clock.now())


def test_who_asks_is_listed_and_is_nobody_yet(asked, do, listed, database, clock):
    [engine] = listed()
    assert (engine.id, engine.site, engine.state) == ("engine-9", "dmz", "pending")
    assert engine.fingerprint == enrolment.fingerprint(asked.signing_key)
    assert current(database, clock, Purpose.SIGNING) == ()
    with database.read() as session, pytest.raises(DeniedError, match="no active engine"):
        engines.find_active(session, "engine-9")
    assert do(engines.ask, asked) == EnrolmentPending()


def test_who_is_approved_is_an_engine_and_is_told_who_control_is(asked, do, database, clock):
    assert do(engines.approve, "engine-9", CODE).state == "active"
    assert current(database, clock, Purpose.SIGNING) == (asked.signing_key,)
    assert current(database, clock, Purpose.SEALING) == (asked.sealing_key,)
    welcome = do(engines.ask, asked)
    assert isinstance(welcome, EngineEnrolled)
    assert welcome.control_key == CONTROL_KEY
    assert welcome.code_proof == enrolment.control_proof(CODE, asked, CONTROL_KEY)


def test_a_code_that_does_not_fit_approves_nobody(asked, do, listed):
    with pytest.raises(DeniedError, match="the code does not fit"):
        do(engines.approve, "engine-9", "abcde-fghjk-mnpqr-stuvx")
    assert listed()[0].state == "pending"


def test_keys_that_were_put_in_place_of_the_engines_are_not_approved(do, clock):
    # Who sits at the broker knows all that crosses it, but not the code.
    altered = msgspec.structs.replace(request(clock), signing_key=b"m" * 32)
    do(engines.ask, altered)
    with pytest.raises(DeniedError, match="put keys of his own"):
        do(engines.approve, "engine-9", CODE)


def test_a_code_is_good_for_an_hour(asked, do, clock, listed):
    clock.advance(3600)
    with pytest.raises(ConflictError, match="has expired"):
        do(engines.approve, "engine-9", CODE)
    assert listed() == []
    refused = do(engines.ask, asked)
    assert isinstance(refused, EnrolmentRefused)
    assert "code has expired" in refused.reason


def test_nobody_makes_a_code_last_longer(do, clock, asked):
    do(engines.ask, request(clock, expires_at=clock.now() + dt.timedelta(days=9)))
    clock.advance(3600)
    with pytest.raises(ConflictError, match="has expired"):
        do(engines.approve, "engine-9", CODE)


def test_what_is_approved_once_is_not_approved_again(asked, do):
    do(engines.approve, "engine-9", CODE)
    with pytest.raises(ConflictError, match="is active, not pending"):
        do(engines.approve, "engine-9", CODE)
    with pytest.raises(NotFoundError):
        do(engines.approve, "engine-7", CODE)


def test_control_without_a_key_says_so(do, clock):
    do(engines.ask, request(clock))
    with pytest.raises(ConflictError, match="no key of its own yet"):
        do(engines.approve, "engine-9", CODE)


def test_an_engine_may_begin_again_with_another_code(asked, do, clock):
    assert do(engines.ask, request(clock, "22222")) == EnrolmentPending()
    with pytest.raises(DeniedError):
        do(engines.approve, "engine-9", CODE)
    assert do(engines.approve, "engine-9", "22222").state == "active"


@pytest.mark.parametrize("approved", [True, False])
def test_nobody_takes_the_id_of_another(asked, do, clock, approved, database):
    if approved:
        do(engines.approve, "engine-9", CODE)
    other = request(clock, signing_key=b"m" * 32, sealing_key=b"n" * 32)
    assert isinstance(do(engines.ask, other), EnrolmentRefused)
    assert do(engines.ask, asked) != EnrolmentRefused
    with database.read() as session:
        refused = session.scalars(select(AuditRow.action)).all()
    assert "engine.enrolment_refused" in refused


def test_nobody_enrols_with_the_keys_of_another(asked, do, clock):
    do(engines.approve, "engine-9", CODE)
    for keys in ({"signing_key": b"m" * 32}, {"sealing_key": b"m" * 32}):
        refused = do(engines.ask, request(clock, engine_id="engine-8", **keys))
        assert isinstance(refused, EnrolmentRefused)
        assert "another engine's" in refused.reason


def test_who_was_revoked_stays_so(asked, do, database, clock, listed):
    do(engines.approve, "engine-9", CODE)
    for _ in range(2):
        with database.transaction() as session:
            engines.revoke(session, "engine-9", clock.now())
        clock.advance(1)
    assert listed()[0].revoked_at == clock.now() - dt.timedelta(seconds=2)
    assert current(database, clock, Purpose.SIGNING) == ()
    refused = do(engines.ask, asked)
    assert isinstance(refused, EnrolmentRefused)
    assert "was revoked" in refused.reason


def test_strangers_do_not_fill_the_database(do, clock, monkeypatch, listed):
    monkeypatch.setattr(engines, "MAX_PENDING", 3)
    answers = [
        do(engines.ask, request(clock, engine_id=f"engine-{n}", signing_key=bytes((n,)) * 32))
        for n in range(5)
    ]
    assert answers[:3] == [EnrolmentPending()] * 3
    assert "wait for approval" in answers[3].reason
    clock.advance(3600)
    assert do(engines.ask, request(clock)) == EnrolmentPending()
    assert [engine.id for engine in listed()] == ["engine-9"]


def test_the_local_engine_needs_no_approval(database, clock, listed):
    def start(site="default"):
        with database.transaction() as session:
            engines.admit_local(session, "engine-9", site, Act("test", clock.now()))

    start()
    start(site="dmz")
    assert [(engine.state, engine.site) for engine in listed()] == [("active", "dmz")]
    with database.transaction() as session:
        engines.revoke(session, "engine-9", clock.now())
    with pytest.raises(DeniedError, match="is revoked"):
        start()
