"""What an operator does about engines, and what it leaves behind."""

from collections.abc import Iterable

import pytest
from sqlalchemy import select

from bus.contract import Grant
from control import engines, node_keys
from control import enrolment_requests as ask
from control.audit import Act
from control.enrolment_operations import EnrolmentOperations
from control.errors import DeniedError
from control.requests import Done
from control.storage_keys import StorageKeys
from control.trust import locate_control_key
from storage.tables import AuditRow

from .conftest import presented
from .test_engines import CODE
from .test_engines import request as enrolment_request


@pytest.fixture
def ended():
    return []


@pytest.fixture
def do(settings, database, vault, clock, ended):
    def end(rows, reason):
        ended.extend((row.id, reason) for row in rows)

    def act(who):
        return Act(who, clock.now())

    key_file = locate_control_key(settings.state_dir, None)
    handlers = EnrolmentOperations(
        database, key_file, StorageKeys(database, vault), act, end
    ).handlers()

    def do(request):
        result = handlers[type(request)](request, "operator")
        return list(result) if isinstance(result, Iterable) else [result]

    return do


@pytest.fixture
def trail(database):
    def trail():
        with database.read() as session:
            return list(session.scalars(select(AuditRow.action).order_by(AuditRow.id)))

    return trail


def test_an_engine_is_listed_approved_and_revoked(do, trail, database, clock, grants):
    with database.transaction() as session:
        key = b"c" * 32
        node_keys.add(session, "control", node_keys.Purpose.SIGNING, key, clock.now())
        engines.ask(session, enrolment_request(clock), Act("engine-9", clock.now()))
    [waiting, *_] = do(ask.ListEngines())
    assert (waiting.id, waiting.state) == ("engine-9", "pending")
    with pytest.raises(DeniedError):
        do(ask.ApproveEngine(id="engine-9", code="no"))
    [approved] = do(ask.ApproveEngine(id="engine-9", code=CODE))
    assert approved.state == "active"
    assert do(ask.RevokeEngine(id="engine-9")) == [Done()]
    states = {engine.id: engine.state for engine in do(ask.ListEngines())}
    assert states == {"engine-1": "active", "engine-2": "active", "engine-9": "revoked"}
    acts = ("engine.approval_refused", "engine.approved", "engine.revoked")
    assert [act for act in trail() if act in acts] == list(acts)


def test_the_sessions_of_a_revoked_engine_end(do, issue, grants, ended):
    mine = grants.redeem(presented(issue()))
    assert isinstance(mine, Grant)
    do(ask.RevokeEngine(id="engine-2"))
    assert ended == []
    do(ask.RevokeEngine(id="engine-1"))
    assert ended == [(mine.session_id, "the engine was revoked")]


def test_storages_next_key_is_announced(do, database, clock, trail, engine_keys):
    with database.transaction() as session:
        engines.find(session, "engine-1").enrolment = b"at a site"
        engines.find(session, "engine-1").keys_told_at = None
    for _ in range(2):
        [done] = do(ask.RotateStorageKey())
        assert "once these engines have fetched it: engine-1" in done.detail
    with database.read() as session:
        keys = node_keys.current(session, "storage", node_keys.Purpose.SIGNING, clock.now())
    assert len(keys) == 2
    assert trail().count("storage.key_announced") == 1


def test_controls_next_key_is_announced(do, database, clock, trail, engine_keys):
    for _ in range(2):
        [done] = do(ask.RotateControlKey())
        assert "takes over at once" in done.detail
    with database.transaction() as session:
        announced = node_keys.current(
            session, "control", node_keys.Purpose.SIGNING, clock.now()
        )
        assert len(announced) == 1
        engines.find(session, "engine-1").enrolment = b"at a site"
        engines.find(session, "engine-1").keys_told_at = None
    [done] = do(ask.RotateControlKey())
    assert "once these engines have fetched it: engine-1" in done.detail
    assert trail().count("control.key_announced") == 1
