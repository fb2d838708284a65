import os

import pytest

from config.errors import ConfigError
from config.model import ControlSettings, Settings
from control.errors import IntegrityError
from control.master_key import MasterKey, MasterKeyFile, locate
from control.vault import open_vault


def test_what_is_wrapped_unwraps_with_the_same_key_alone():
    wrapped = MasterKey(b"a" * 32).wrap(b"k" * 32)
    assert MasterKey(b"a" * 32).unwrap(wrapped) == b"k" * 32
    with pytest.raises(IntegrityError, match="restore the database from a backup"):
        MasterKey(b"b" * 32).unwrap(wrapped)


def test_it_wraps_as_rfc_3394_writes_it():
    """Section 4.6: 256 bits of key data with a 256-bit key."""
    key = bytes(range(32))
    data = bytes.fromhex("00112233445566778899AABBCCDDEEFF") + bytes(range(16))
    assert MasterKey(key).wrap(data).hex().upper() == (
        "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
    )


def test_its_representation_is_its_id():
    key = MasterKey(b"k" * 32)
    assert repr(key) == f"MasterKey({key.id})"


def test_systemd_comes_before_the_settings_and_those_before_the_state_directory(tmp_path):
    plain = Settings(state_dir=tmp_path)
    named = Settings(
        state_dir=tmp_path, control=ControlSettings(master_key_file=tmp_path / "named")
    )
    assert locate(plain, tmp_path).path == tmp_path / "master.key"
    assert locate(named, None).path == tmp_path / "named"
    (tmp_path / "master-key").touch()
    assert locate(named, tmp_path).path == tmp_path / "master-key"


def test_a_rotation_leaves_one_key(tmp_path):
    file = MasterKeyFile(tmp_path / "master.key")
    old, new = file.create(), file.make_successor()
    assert (file.read().id, file.read_successor().id) == (old.id, new.id)
    file.promote_successor()
    assert (file.read().id, file.read_successor()) == (new.id, None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_master_key_that_others_may_read_is_refused(database, key_file, mode):
    key_file.path.chmod(mode)
    with pytest.raises(ConfigError, match=f"open to others .mode {mode:04o}.: `chmod 600"):
        open_vault(database, key_file)


def test_a_master_key_of_the_wrong_size_is_refused(database, key_file):
    key_file.path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="holds 5 bytes instead of 32"):
        open_vault(database, key_file)


def test_a_missing_master_key_is_named(database, key_file):
    key_file.path.unlink()
    with pytest.raises(ConfigError, match=r"master\.key cannot be read: No such file"):
        open_vault(database, key_file)


def test_a_folder_that_is_closed_to_us_is_named(tmp_path):
    tmp_path.chmod(0)
    us = os.geteuid()
    if us == 0:  # Nothing is closed to root.
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="master-key cannot be looked at: Permission"):
            locate(Settings(state_dir=tmp_path), tmp_path)
        with pytest.raises(ConfigError, match=r"master\.key\.new cannot be looked at"):
            MasterKeyFile(tmp_path / "master.key").read_successor()
    finally:
        os.seteuid(us)
        tmp_path.chmod(0o700)
