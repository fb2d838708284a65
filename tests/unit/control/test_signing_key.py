import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from config.errors import ConfigError
from control.errors import ConflictError
from control.signing_key import KeyFile, locate


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "a.key", Ed25519PrivateKey)


def public(key):
    return key.public_key().public_bytes_raw()


def test_a_key_is_made_once_and_nobody_else_may_read_it(file):
    key = file.read_or_make()
    assert public(file.read_or_make()) == public(file.read()) == public(key)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_key_that_is_open_to_others_is_not_used(file):
    file.read_or_make()
    file.path.chmod(0o640)
    with pytest.raises(ConfigError, match="open to others"):
        file.read()


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_what_is_no_such_key_is_said_and_not_quoted(file, content):
    if content is None:
        KeyFile(file.path, X25519PrivateKey).read_or_make()
    else:
        file.path.write_bytes(content)
        file.path.chmod(0o600)
    with pytest.raises(ConfigError, match="is no Ed25519PrivateKey in PEM") as refused:
        file.read_or_make()
    assert refused.value.__cause__ is None


def test_a_key_that_cannot_be_kept_is_a_matter_of_settings(tmp_path):
    with pytest.raises(ConfigError, match="cannot be kept"):
        KeyFile(tmp_path / "nowhere" / "a.key", Ed25519PrivateKey).read_or_make()


def test_a_missing_key_is_said(file):
    with pytest.raises(ConfigError, match="cannot be read"):
        file.read()


def test_a_successor_waits_beside_its_key_until_it_takes_over(file):
    old = file.read_or_make()
    assert file.read_successor() is None
    new = file.read_or_make_successor()
    assert public(file.read_or_make_successor()) == public(new)
    assert public(file.read()) == public(old)
    file.promote_successor()
    assert public(file.read()) == public(new)
    assert file.read_successor() is None


def test_systemd_keeps_its_own_keys(tmp_path):
    KeyFile(tmp_path / "a.key", Ed25519PrivateKey).read_or_make()
    (tmp_path / "a.key").chmod(0o440)
    kept = locate(tmp_path / "state", "a.key", Ed25519PrivateKey, tmp_path)
    assert kept.read()
    with pytest.raises(ConflictError, match=r"add one named a\.key\.new to the unit"):
        kept.read_or_make_successor()
    kept.promote_successor()
    assert kept.read()


def test_without_systemd_a_key_lies_in_the_state_directory(tmp_path):
    for credentials in (None, tmp_path / "empty"):
        file = locate(tmp_path, "a.key", Ed25519PrivateKey, credentials)
        assert file.path == tmp_path / "a.key"
