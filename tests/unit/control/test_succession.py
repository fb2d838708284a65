import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus import enrolment
from bus.contract import RotateEngineKey
from control import engines, node_keys, succession
from control.audit import Act
from control.errors import ConflictError, DeniedError
from control.node_keys import CONTROL, STORAGE, Purpose
from control.trust import public
from storage.tables import EngineRow

OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture
def do(database, clock):
    def do(what, *arguments):
        with database.transaction() as session:
            return what(session, *arguments, Act("test", clock.now()))

    return do


def rotation(key=NEW, signed_by=NEW, name="engine-1"):
    claim = enrolment.possession(name, public(key))
    return RotateEngineKey(signing_key=public(key), possession=signed_by.sign(claim))


def keys_of(database, clock, node="engine-1"):
    with database.read() as session:
        return node_keys.current(session, node, Purpose.SIGNING, clock.now())


def test_both_keys_of_an_engine_count_for_a_month(do, engine_keys, database, clock):
    clock.advance(1)
    for _ in range(2):
        do(succession.rotate_engine, "engine-1", rotation())
    old = public(engine_keys["engine-1"])
    assert keys_of(database, clock) == (old, public(NEW))
    clock.advance(node_keys.OVERLAP.total_seconds())
    assert keys_of(database, clock) == (public(NEW),)


def test_nobody_claims_a_key_that_he_does_not_have(do, engine_keys, database, clock):
    for claim in (rotation(signed_by=OLD), rotation(name="engine-2")):
        with pytest.raises(DeniedError, match="does not have"):
            do(succession.rotate_engine, "engine-1", claim)
    assert keys_of(database, clock) == (public(engine_keys["engine-1"]),)


def test_nobody_takes_over_the_key_of_another(do, engine_keys):
    other = engine_keys["engine-2"]
    with pytest.raises(ConflictError):
        do(succession.rotate_engine, "engine-1", rotation(other, other))


def test_a_revoked_engine_gets_no_new_key(do, engine_keys, database, clock):
    with database.transaction() as session:
        engines.revoke(session, "engine-1", clock.now())
    with pytest.raises(DeniedError, match="no active engine"):
        do(succession.rotate_engine, "engine-1", rotation())


@pytest.fixture
def remote(database, clock):
    """Two engines at sites, which have fetched their keys."""
    with database.transaction() as session:
        for name in ("engine-a", "engine-b"):
            session.add(
                EngineRow(
                    id=name,
                    site="dmz",
                    state="active",
                    enrolment=b"asked",
                    requested_at=clock.now(),
                    expires_at=clock.now(),
                    keys_told_at=clock.now(),
                )
            )
        node_keys.add(session, CONTROL, Purpose.SIGNING, public(OLD), clock.now())
        node_keys.add(session, STORAGE, Purpose.SIGNING, b"r" * 32, clock.now())
    clock.advance(1)
    with database.transaction() as session:
        node_keys.add(session, STORAGE, Purpose.RECORDING, b"w" * 32, clock.now())


def tell(database, clock, name):
    with database.transaction() as session:
        return succession.tell(session, name, clock.now())


def waiting(database):
    with database.read() as session:
        return succession.waiting_for(session, public(NEW))


def test_an_engine_is_told_whom_to_believe(remote, database, clock):
    told = tell(database, clock, "engine-a")
    assert told.control == (public(OLD),)
    assert b"r" * 32 in told.storage
    assert told.recording[-1] == b"w" * 32


def test_a_successor_waits_for_every_active_engine(remote, do, database, clock, engine_keys):
    do(succession.announce, CONTROL, public(NEW))
    clock.advance(1)
    assert waiting(database) == ["engine-a", "engine-b"], "and not for the local ones"
    assert tell(database, clock, "engine-a").control == (public(OLD), public(NEW))
    assert waiting(database) == ["engine-b"]
    with database.transaction() as session:
        engines.revoke(session, "engine-b", clock.now())
    assert waiting(database) == []
    do(succession.succeed, CONTROL, public(NEW))
    assert keys_of(database, clock, CONTROL) == (public(NEW),)
