from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from config.errors import ConfigError
from control.gateway_keys import (
    host_key_paths,
    make_host_keys,
    public_halves,
    usable_host_keys,
    write_host_key,
)


def test_what_is_missing_is_made_and_told_once(tmp_path):
    assert len(make_host_keys(tmp_path)) == 2
    assert make_host_keys(tmp_path) == []
    assert usable_host_keys(tmp_path) == host_key_paths(tmp_path)


def test_a_key_that_is_written_over_was_whole_before(tmp_path):
    path = tmp_path / "ssh_host_ed25519_key"
    (tmp_path / "ssh_host_ed25519_key.partial").write_text("left by a crash")
    write_host_key(path)
    assert {left.name for left in tmp_path.iterdir()} == {path.name, path.name + ".pub"}


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (Path.unlink, "is missing: run `proxyd init`"),
        (lambda path: path.write_text("no key"), "holds no host key: restore it"),
        (lambda path: path.write_text(_disturbed(path.read_text())), "holds no host key"),
        (lambda path: path.chmod(0o640), "is open to others: `chmod 600 "),
    ],
    ids=["missing", "damaged", "disturbed", "open"],
)
def test_a_host_key_that_cannot_be_used_is_named(tmp_path, harm, complaint):
    for path in host_key_paths(tmp_path):
        write_host_key(path)
    assert usable_host_keys(tmp_path) == host_key_paths(tmp_path)
    harmed = host_key_paths(tmp_path)[1]
    harm(harmed)
    with pytest.raises(ConfigError, match=f"{harmed} {complaint}"):
        usable_host_keys(tmp_path)


def _disturbed(private: str) -> str:
    """An RSA key of which one digit of the private exponent is another."""
    key = load_ssh_private_key(private.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    numbers = key.private_numbers()
    public = key.public_key().public_numbers()
    wrong = RSAPrivateNumbers(
        numbers.p,
        numbers.q,
        numbers.d + 2,
        numbers.dmp1 + 2,
        numbers.dmq1,
        numbers.iqmp,
        public,
    ).private_key(unsafe_skip_rsa_key_validation=True)
    written = wrong.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return written.decode()


def test_what_known_hosts_call_a_key_is_what_lies_beside_it(tmp_path):
    make_host_keys(tmp_path)
    paths = host_key_paths(tmp_path)
    written = [path.with_name(path.name + ".pub").read_text().strip() for path in paths]
    assert [*public_halves(paths)] == written
