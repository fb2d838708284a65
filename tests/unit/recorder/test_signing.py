from recorder.data_key import key_id
from recorder.signing import SIGNATURE_BYTES, SignerKey, SigningKey, is_signed

KEY = SigningKey("engine-1", SigningKey.generate())


def test_what_was_signed_verifies_and_nothing_else_does():
    signature = KEY.sign(b"message")
    assert len(signature) == SIGNATURE_BYTES
    assert is_signed(b"message", signature, KEY.public)
    assert not is_signed(b"massage", signature, KEY.public)
    for place in range(SIGNATURE_BYTES):
        altered = bytearray(signature)
        altered[place] ^= 1
        assert not is_signed(b"message", bytes(altered), KEY.public)
    assert not is_signed(b"message", signature, SigningKey("engine-1", bytes(32)).public)


def test_what_is_no_key_or_signature_verifies_nothing():
    assert not is_signed(b"message", b"", KEY.public)
    assert not is_signed(b"message", KEY.sign(b"message"), b"short")


def test_a_key_is_named_after_its_public_half():
    known = SignerKey(engine_id="engine-1", public=KEY.public)
    assert known.key_id == KEY.key_id == key_id(KEY.public)


def test_a_signing_key_shows_its_id_alone():
    assert repr(KEY) == f"SigningKey(engine-1, {KEY.key_id})"
