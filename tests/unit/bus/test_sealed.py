import hmac
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bus.sealed import Opener, SealError, credential_info, engine_info, open_with, seal

INFO = b"a session"
CANARY = b"hunter2-canary"


def test_what_was_sealed_opens():
    opener = Opener()
    assert opener.open(seal(opener.public, CANARY, INFO), INFO) == CANARY


def test_what_is_sealed_shows_nothing_and_never_looks_the_same_twice():
    opener = Opener()
    one, other = (seal(opener.public, CANARY, INFO) for _ in range(2))
    assert CANARY not in one
    assert one != other


def test_a_key_opens_once():
    opener = Opener()
    sealed = seal(opener.public, CANARY, INFO)
    opener.open(sealed, INFO)
    with pytest.raises(SealError, match="has opened its message already"):
        opener.open(sealed, INFO)


def test_what_was_sealed_for_one_session_does_not_open_for_another():
    opener = Opener()
    with pytest.raises(SealError, match="not for this key and session"):
        opener.open(seal(opener.public, CANARY, INFO), b"another session")


def test_what_was_sealed_to_one_engine_does_not_open_for_another():
    with pytest.raises(SealError, match="not for this key and session"):
        Opener().open(seal(Opener().public, CANARY, INFO), INFO)


@pytest.mark.parametrize("at", [0, 31, 32, -1])
def test_an_altered_byte_shows(at):
    opener = Opener()
    sealed = bytearray(seal(opener.public, CANARY, INFO))
    sealed[at] ^= 1
    with pytest.raises(SealError):
        opener.open(bytes(sealed), INFO)


def test_too_few_bytes_are_refused():
    with pytest.raises(SealError):
        Opener().open(b"short", INFO)


@pytest.mark.parametrize("key", [b"", b"a" * 31, b"a" * 33, bytes(32)])
def test_what_is_no_public_key_is_refused(key):
    with pytest.raises(SealError, match="not an X25519 public key"):
        seal(key, CANARY, INFO)


def test_it_is_hpke_to_the_letter():
    """RFC 9180 4.1, 5.1 and 5.2, written out: another implementation opens what we seal."""
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    sealed = seal(public, CANARY, INFO)
    encapsulated, ciphertext = sealed[:32], sealed[32:]
    kem = b"KEM" + bytes.fromhex("0020")
    suite = b"HPKE" + bytes.fromhex("0020 0001 0002")
    shared = private.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    prk = _extract(kem, b"", b"eae_prk", shared)
    secret = _expand(kem, prk, b"shared_secret", encapsulated + public, 32)
    context = b"\0" + _extract(suite, b"", b"psk_id_hash", b"")
    context += _extract(suite, b"", b"info_hash", INFO)
    prk = _extract(suite, secret, b"secret", b"")
    key = _expand(suite, prk, b"key", context, 32)
    nonce = _expand(suite, prk, b"base_nonce", context, 12)
    assert AESGCM(key).decrypt(nonce, ciphertext, b"") == CANARY


def test_each_session_has_an_info_of_its_own():
    assert credential_info(UUID(int=1)) != credential_info(UUID(int=2))
    assert credential_info(UUID(int=1)).startswith(b"proxyd target credential")


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labelled + b"\1", "sha256")[:size]


def test_the_two_layers_of_a_credential_do_not_open_for_one_another():
    session, key = UUID(int=7), X25519PrivateKey.generate()
    private, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    sealed = seal(public, CANARY, engine_info(session))
    assert open_with(private, sealed, engine_info(session)) == CANARY
    with pytest.raises(SealError):
        open_with(private, sealed, credential_info(session))
    with pytest.raises(SealError):
        open_with(private, sealed, engine_info(UUID(int=8)))
