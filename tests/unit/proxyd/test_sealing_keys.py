import shutil
import stat

import pytest

from config.errors import ConfigError
from config.model import Settings
from control import master_key
from control.node_keys import OVERLAP
from control.storage_keys import StorageKeys
from control.vault import open_vault
from proxyd.sealing_keys import KEY_NAME, local_sealing_keys, signing_key_file
from recorder.clock import ManualClock
from storage.database import Database
from storage.signers import StoredSigners


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings(tmp_path, initialised):
    return Settings(state_dir=shutil.copytree(initialised, tmp_path / "state"))


@pytest.fixture
def database(settings):
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture
def start(settings, database, clock):
    """What a node does when it starts."""

    def start(engine_id: str = "engine-1"):
        vault = open_vault(database, master_key.locate(settings, None))
        file = signing_key_file(settings.state_dir, None)
        return local_sealing_keys(
            file, engine_id, database, StorageKeys(database, vault), clock
        )

    return start


def test_the_engines_key_is_made_once_and_is_its_own(start, settings):
    first = start().signer
    assert start().signer.key_id == first.key_id
    mode = (settings.state_dir / KEY_NAME).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_what_it_signs_is_trusted_from_the_start(start, database):
    signer = start().signer
    assert StoredSigners(database).find("engine-1", signer.key_id) is not None


def test_a_key_that_was_rotated_counts_from_the_next_start(start, settings, database, clock):
    old = start().signer
    file = signing_key_file(settings.state_dir, None)
    file.read_or_make_successor()
    assert StoredSigners(database).of("engine-1")[0].valid_until is None
    clock.advance(60)
    new = start().signer
    assert new.key_id != old.key_id
    assert not file.successor_path.exists()
    signers = StoredSigners(database)
    replaced = signers.find("engine-1", old.key_id)
    assert replaced is not None
    assert replaced.valid_until == clock.now() + OVERLAP
    assert signers.find("engine-1", new.key_id).valid_until is None


def test_an_engine_whose_key_is_anothers_does_not_start(start):
    start("engine-1")
    with pytest.raises(ConfigError, match="recordings cannot be sealed"):
        start("engine-2")


def test_an_engine_whose_signatures_prove_nothing_does_not_start(start, monkeypatch):
    monkeypatch.setattr("recorder.chunk.is_signed", lambda *_: True)
    with pytest.raises(ConfigError, match="verifies for what was not signed"):
        start()


def test_sessions_to_come_are_recorded_under_the_newest_key(start, clock):
    sealing = start()
    assert sealing.recording_key.id == sealing.recording_key.id
