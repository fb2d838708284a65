"""Whatever an engine says inside a request, it speaks for itself alone."""

import uuid

import pytest

from bus.contract import (
    ConnectionLost,
    EngineStarted,
    FetchTrustedKeys,
    PinHostKey,
    RotateEngineKey,
    SessionFailed,
    SessionReady,
)
from control import authority, engines
from control.errors import DeniedError, NotFoundError
from recorder.events import EndReason

from .conftest import presented
from .test_secrets import HOST_KEY

STARTED = EngineStarted(engine_id="engine-1", site="default", spooled_sessions=())
ROTATE = RotateEngineKey(signing_key=bytes(32), possession=b"")


def about(session_id):
    return (
        PinHostKey(session_id=session_id, host_key=HOST_KEY),
        SessionReady(session_id=session_id),
        ConnectionLost(session_id=session_id),
        SessionFailed(session_id=session_id, end_reason=EndReason.TERMINATED, detail=""),
    )


@pytest.fixture
def check(database, engine_keys):
    def check(request, asker="engine-1"):
        with database.read() as session:
            authority.check(session, request, asker)

    return check


def test_an_engine_may_say_what_is_its_own(check, issue, session_id):
    own = (presented(issue()), STARTED, FetchTrustedKeys(), ROTATE, *about(session_id))
    for request in own:
        check(request)


@pytest.mark.parametrize("asker", ["engine-9", "", "control", "ed25519:00"])
def test_who_is_no_engine_may_say_nothing(check, session_id, asker):
    for request in (STARTED, FetchTrustedKeys(), ROTATE, *about(session_id)):
        with pytest.raises(DeniedError, match="no active engine"):
            check(request, asker)


def test_who_was_revoked_may_say_nothing(check, database, clock, session_id):
    with database.transaction() as session:
        engines.revoke(session, "engine-1", clock.now())
    for request in (STARTED, FetchTrustedKeys(), ROTATE, *about(session_id)):
        with pytest.raises(DeniedError, match="no active engine"):
            check(request)


def test_no_engine_speaks_in_the_name_of_another(check, issue):
    for request in (presented(issue()), STARTED):
        with pytest.raises(DeniedError, match="engine-2 says it is 'engine-1'"):
            check(request, "engine-2")


def test_no_engine_redeems_for_another_site(check, issue):
    for request in (
        presented(issue(), site="vault"),
        EngineStarted(engine_id="engine-1", site="vault", spooled_sessions=()),
    ):
        with pytest.raises(DeniedError, match="serves site `default` and asks for 'vault'"):
            check(request)


def test_no_engine_speaks_of_anothers_session(check, session_id):
    for request in about(session_id):
        with pytest.raises(DeniedError, match="which is engine-1's"):
            check(request, "engine-2")


def test_a_session_that_nobody_has_is_nobodys(check, issue):
    for request in about(uuid.uuid4()):
        with pytest.raises(NotFoundError):
            check(request)
