import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.errors import BadMessageError
from bus.signed import Signer, Verifier, introduction
from config.errors import ConfigError
from control import engines, node_keys, trust
from control.node_keys import CONTROL, STORAGE, Purpose
from control.storage_keys import StorageKeys
from control.trust import (
    ControlKey,
    ControlTrust,
    KnownNodes,
    StorageTrust,
    locate_control_key,
    public,
)
from storage.errors import StorageUnavailableError
from storage.tables import EngineRow


@pytest.fixture
def known(database, clock, engine_keys):
    known = KnownNodes(database, clock)
    known.refresh()
    return known


@pytest.fixture
def file(settings):
    return locate_control_key(settings.state_dir, None)


def counting(database, clock):
    with database.read() as session:
        return node_keys.current(session, CONTROL, Purpose.SIGNING, clock.now())


def test_active_engines_are_known_and_nobody_else(known, engine_keys):
    assert known.keys("engine-1") == (public(engine_keys["engine-1"]),)
    assert known.keys("engine-9") is None


def test_who_introduces_himself_is_known_by_his_key(known):
    key = Ed25519PrivateKey.generate()
    assert known.keys(introduction(public(key))) == (public(key),)


def test_a_revoked_engine_says_its_last_words_and_is_heard_no_more(known, database, clock):
    with database.transaction() as session:
        engines.revoke(session, "engine-1", clock.now())
    known.refresh()
    clock.advance(59)
    assert known.keys("engine-1")
    clock.advance(1)
    assert known.keys("engine-1") is None
    assert known.keys("engine-2")


def test_control_makes_its_key_once(database, file, clock):
    first, second = ControlKey(database, file, clock), ControlKey(database, file, clock)
    assert public(first.private) == public(second.private)
    assert counting(database, clock) == (public(first.private),)


def test_without_remote_engines_a_successor_takes_over_at_once(database, file, clock):
    key = ControlKey(database, file, clock)
    assert not key.settle()
    successor = public(file.read_or_make_successor())
    clock.advance(1)
    assert key.settle()
    assert public(key.private) == successor == public(file.read())
    assert counting(database, clock) == (successor,)
    assert not key.settle()


def test_a_successor_takes_over_when_the_last_engine_knows_it(database, file, clock):
    key = ControlKey(database, file, clock)
    with database.transaction() as session:
        moment = clock.now()
        session.add(
            EngineRow(
                id="engine-a",
                site="dmz",
                state="active",
                enrolment=b"asked",
                requested_at=moment,
                expires_at=moment,
            )
        )
    file.read_or_make_successor()
    assert not key.settle()
    assert len(counting(database, clock)) == 2
    clock.advance(1)
    with database.transaction() as session:
        engines.find(session, "engine-a").keys_told_at = clock.now()
    assert key.settle()


def test_a_crash_between_database_and_file_does_not_bring_the_old_key_back(
    database, file, clock, monkeypatch
):
    key = ControlKey(database, file, clock)
    successor = public(file.read_or_make_successor())
    with monkeypatch.context() as patch:
        patch.setattr(file, "promote_successor", lambda: None)
        key.settle()
    assert public(ControlKey(database, file, clock).private) == successor
    assert public(file.read()) == successor


def test_an_old_key_from_a_backup_is_refused(database, file, clock):
    key = ControlKey(database, file, clock)
    old = file.path.read_bytes()
    file.read_or_make_successor()
    key.settle()
    file.path.write_bytes(old)
    with pytest.raises(ConfigError, match="a key that was replaced"):
        ControlKey(database, file, clock)


async def test_storage_is_known_to_engines_and_knows_them(
    database, vault, clock, engine_keys, monkeypatch
):
    monkeypatch.setattr(trust, "REFRESH_S", 0.01)
    keys = StorageKeys(database, vault)
    keys.make_missing(clock.now())
    storage = StorageTrust(database, keys, clock)
    with database.read() as session:
        known = node_keys.current(session, STORAGE, Purpose.SIGNING, clock.now())
    receipt = storage.identity.sign("engine-1", b"stored")
    verifier = Verifier("engine-1", lambda _: known)
    assert verifier.open(receipt, clock.now()).issuer == STORAGE
    ping = Signer("engine-1", engine_keys["engine-1"]).sign(STORAGE, b"ping", clock.now())
    with database.transaction() as session:
        engines.revoke(session, "engine-1", clock.now())
    clock.advance(61)
    followed = asyncio.Event()
    refresh = storage._known.refresh

    def refresh_and_tell():
        refresh()
        loop.call_soon_threadsafe(followed.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(storage._known, "refresh", refresh_and_tell)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(storage.run())
        await followed.wait()
        following.cancel()
    with pytest.raises(BadMessageError, match="not known"):
        storage.identity.open(ping)


async def test_a_running_control_node_follows_its_database(
    database, file, clock, monkeypatch, capsys
):
    monkeypatch.setattr(trust, "REFRESH_S", 0.01)
    control = ControlTrust(database, file, clock)
    engine = Ed25519PrivateKey.generate()
    envelope = Signer("engine-1", engine).sign(CONTROL, b"hello", clock.now())
    with pytest.raises(BadMessageError, match="not known"):
        control.identity.open(envelope)
    successor = public(file.read_or_make_successor())
    with database.transaction() as session:
        node_keys.add(session, "engine-1", Purpose.SIGNING, public(engine), clock.now())

    followed, warned = asyncio.Event(), asyncio.Event()
    settle = control._key.settle

    def settle_and_tell():
        loop.call_soon_threadsafe(followed.set)
        return settle()

    def lost():
        loop.call_soon_threadsafe(warned.set)
        raise StorageUnavailableError("the disk is full")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(control._key, "settle", settle_and_tell)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(control.run())
        for _ in range(2):
            followed.clear()
            await followed.wait()
        monkeypatch.setattr(control._known, "refresh", lost)
        for _ in range(2):
            warned.clear()
            await warned.wait()
        following.cancel()
    assert "trust.stale" in "".join(capsys.readouterr())
    assert control.identity.open(envelope).body == b"hello"
    told = control.identity.sign("engine-1", b"end")
    verifier = Verifier("engine-1", lambda _: (successor,))
    assert verifier.open(told, clock.now()).body == b"end"
