import msgspec
import pytest
from samples.chunks import SESSION

from control import engines, succession
from control.audit import Act
from control.errors import ControlError
from control.node_keys import STORAGE
from control.storage_keys import SIGNING_OVERLAP, StorageKeys, public_keys
from control.vault import open_vault
from recorder.errors import CorruptChunkError, RecordingKeyError
from storage.tables import AuditRow, KeyRow


@pytest.fixture
def keys(database, vault) -> StorageKeys:
    return StorageKeys(database, vault)


@pytest.fixture
def act(clock) -> Act:
    return Act("operator", clock.now())


def test_an_initialised_node_has_its_keys(keys, clock):
    assert keys.make_missing(clock.now()) == []
    wrapped = keys.current_recording_key(clock.now()).new_data_key(SESSION).wrapped
    assert len(keys.unwrap(SESSION, wrapped)) == 32


def test_a_node_that_is_older_than_these_keys_gets_them(keys, database, clock):
    with database.transaction() as session:
        for row in session.query(KeyRow).where(KeyRow.name != "pepper"):
            session.delete(row)
        session.connection().exec_driver_sql("DELETE FROM node_keys")
    with pytest.raises(RecordingKeyError, match="run `proxyd init`"):
        keys.current_recording_key(clock.now())
    with pytest.raises(ControlError, match="run `proxyd init`"):
        _ = keys.signer
    assert len(keys.make_missing(clock.now())) == 2
    assert keys.signer.sign(b"x")


def test_no_private_key_is_in_the_database_in_clear(keys, settings, vault, database):
    with database.read() as session:
        secrets = [
            vault.kept(session, row.name)
            for row in session.query(KeyRow)
            if row.name != "pepper"
        ]
    content = b"".join(path.read_bytes() for path in settings.state_dir.glob("proxyd.db*"))
    assert len(secrets) == 2
    assert not any(secret in content for secret in secrets)


def test_old_recordings_are_read_after_a_rotation(keys, database, vault, clock, act):
    old = keys.current_recording_key(clock.now())
    wrapped = old.new_data_key(SESSION).wrapped
    clock.advance(1)
    new_id = keys.rotate_recording_key(Act("operator", clock.now()))
    assert keys.current_recording_key(clock.now()).id == new_id != old.id
    assert keys.unwrap(SESSION, wrapped) == StorageKeys(database, vault).unwrap(
        SESSION, wrapped
    )
    with database.read() as session:
        assert session.query(AuditRow.action).all()[-1] == ("recording_key.rotated",)


def test_recordings_are_read_after_the_master_key_was_rotated(
    keys, database, vault, key_file, clock, act
):
    wrapped = keys.current_recording_key(clock.now()).new_data_key(SESSION).wrapped
    secret, public = keys.unwrap(SESSION, wrapped), keys.signer.public
    vault.rotate(database, act)
    later = StorageKeys(database, open_vault(database, key_file))
    assert later.unwrap(SESSION, wrapped) == secret
    assert later.signer.public == public


def test_a_recording_key_that_is_gone_is_named(keys, clock):
    wrapped = keys.current_recording_key(clock.now()).new_data_key(SESSION).wrapped
    lost = msgspec.structs.replace(wrapped, recording_key="0123456789abcdef")
    with pytest.raises(RecordingKeyError, match="restore the table `keys`"):
        keys.unwrap(SESSION, lost)


def test_a_data_key_that_was_altered_is_the_chunks_fault(keys, clock):
    wrapped = keys.current_recording_key(clock.now()).new_data_key(SESSION).wrapped
    with pytest.raises(CorruptChunkError):
        keys.unwrap(SESSION, msgspec.structs.replace(wrapped, sealed=bytes(80)))


def test_the_storage_sides_public_key_is_known(keys, database):
    with database.read() as session:
        assert [row.public_key for row in public_keys(session, "storage")] == [
            keys.signer.public
        ]


@pytest.fixture
def engine_at_a_site(database, clock, engine_keys):
    with database.transaction() as session:
        engines.find(session, "engine-1").enrolment = b"at a site"
        engines.find(session, "engine-1").keys_told_at = None


def told(database, clock):
    with database.transaction() as session:
        return succession.tell(session, "engine-1", clock.now()).storage


def test_a_new_signing_key_takes_over_once_every_engine_knows_it(
    keys, database, vault, clock, act, engine_at_a_site
):
    worker = StorageKeys(database, vault)
    old = worker.signer.public
    assert keys.announce_signing_key(act) == ["engine-1"]
    assert not keys.settle_signing_key(act)
    clock.advance(1)
    assert [key for key in told(database, clock) if key != old]
    assert keys.settle_signing_key(Act("control", clock.now()))
    assert not keys.settle_signing_key(Act("control", clock.now()))
    new = keys.signer.public
    assert worker.signer.public == old != new
    worker.refresh_signer()
    assert worker.signer.public == new
    assert set(told(database, clock)) == {old, new}
    clock.advance(SIGNING_OVERLAP.total_seconds())
    assert told(database, clock) == (new,)


def test_what_the_old_signing_key_vouched_for_stays_good(keys, database, clock, act):
    old = keys.signer.public
    assert keys.announce_signing_key(act) == []
    assert keys.settle_signing_key(act)
    with database.read() as session:
        known = [row.public_key for row in public_keys(session, STORAGE)]
    assert set(known) == {old, keys.signer.public}


def test_the_next_signing_key_survives_a_rotation_of_the_master_key(
    keys, database, vault, key_file, act
):
    old = keys.signer.public
    keys.announce_signing_key(act)
    vault.rotate(database, act)
    later = StorageKeys(database, open_vault(database, key_file))
    assert later.settle_signing_key(act)
    assert later.signer.public != old
