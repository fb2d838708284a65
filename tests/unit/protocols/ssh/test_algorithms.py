import pytest

from protocols.ssh import algorithms
from protocols.ssh.packets import string


def kexinit(ciphers: str) -> bytes:
    names = [b"curve25519-sha256", b"ssh-ed25519", ciphers.encode()]
    return b"\x14" + bytes(16) + b"".join(string(name) for name in names)


def test_a_client_with_gcm_is_offered_nothing_else():
    theirs = "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com"
    assert algorithms.preferred(kexinit(theirs)) == [b"aes256-gcm@openssh.com"]


def test_a_client_without_gcm_is_offered_all():
    offered = algorithms.preferred(kexinit("aes256-ctr"))
    assert b"aes256-ctr" in offered


@pytest.mark.parametrize(
    ("version", "unasked"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian", True),
        ("SSH-2.0-PuTTY_Release_0.78", True),
        ("SSH-2.0-libssh_0.8.7", False),
        ("SSH-2.0-dropbear_2022.83", False),
    ],
)
def test_only_clients_known_to_speak_first_are_waited_for(version: str, unasked):
    assert algorithms.offers_unasked(version) is unasked


def test_an_rsa_key_signs_no_sha1():
    offered = [b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa"]
    assert b"ssh-rsa" not in algorithms.without_sha1(offered)


@pytest.mark.parametrize(
    "names",
    [
        algorithms.CLIENT_KEX,
        algorithms.TARGET_KEX,
        algorithms.ALL_CIPHERS,
        algorithms.TARGET_CIPHERS,
        algorithms.CLIENT_MACS,
        algorithms.TARGET_MACS,
    ],
)
def test_nothing_weak_is_offered(names: tuple[str, ...]):
    weak = ("sha1", "diffie-hellman", "cbc", "md5", "3des", "arcfour", "hmac-sha1", "umac")
    assert not [name for name in names if any(bad in name for bad in weak)]
