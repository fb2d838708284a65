import asyncssh
import pytest

from protocols.ssh.keys import UnusableKeyError, check_private_key

KEY = asyncssh.generate_private_key("ssh-ed25519")
RSA = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
LOCKED = KEY.export_private_key(passphrase="open sesame", rounds=16, ignore_few_rounds=True)


@pytest.mark.parametrize(
    "data",
    [
        KEY.export_private_key(),
        RSA.export_private_key("pkcs1-pem"),
        RSA.export_private_key("pkcs8-pem"),
    ],
    ids=["openssh", "pkcs1", "pkcs8"],
)
def test_openssh_and_pem_keys_can_be_used(data):
    check_private_key(data, None)


def test_an_encrypted_key_opens_with_its_passphrase():
    check_private_key(LOCKED, "open sesame")


@pytest.mark.parametrize(
    ("data", "passphrase", "complaint"),
    [
        (LOCKED, None, "is encrypted: give its passphrase"),
        (LOCKED, "guess", "the passphrase is wrong"),
        (KEY.export_public_key(), None, "is a public key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\r\n", None, "puttygen"),
        (b"", None, "holds no private key"),
        (b"\x00\xff not a key", None, "holds no private key"),
        (KEY.export_private_key()[:200], None, "holds no private key"),
    ],
    ids=["locked", "guessed", "public", "PuTTY", "nothing", "noise", "cut off"],
)
def test_what_cannot_be_used_is_told_apart(data, passphrase, complaint):
    with pytest.raises(UnusableKeyError, match=complaint):
        check_private_key(data, passphrase)
