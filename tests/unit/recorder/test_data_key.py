from uuid import UUID

import msgspec
import pytest
from samples.chunks import KEYS, RECORDING_KEY, SESSION

from recorder.data_key import (
    FRAME_OVERHEAD_BYTES,
    DataKey,
    RecordingPrivateKey,
    RecordingPublicKey,
    WrappedKey,
    key_id,
)
from recorder.errors import CorruptChunkError, RecordingKeyError

KEY = KEYS.recording_key.new_data_key(SESSION)
BODY = b"marked-secret"


def sealed(segment: int = 0, number: int = 0) -> bytes:
    """What stands for `BODY` there."""
    return b"".join(KEY.encrypt_frame(segment, number, BODY))


def test_only_the_storage_side_has_the_data_key():
    secret = RECORDING_KEY.unwrap(SESSION, KEY.wrapped)
    again = DataKey(SESSION, secret, KEY.wrapped)
    assert again.decrypt_frame(0, sealed()) == BODY
    assert secret not in KEY.wrapped.sealed
    assert len(KEY.wrapped.sealed) == 80


def test_each_session_has_a_key_of_its_own():
    other = KEYS.recording_key.new_data_key(SESSION)
    with pytest.raises(CorruptChunkError):
        other.decrypt_frame(0, sealed())


def test_a_wrapped_key_opens_for_its_own_session_alone():
    with pytest.raises(CorruptChunkError, match="not of this session"):
        RECORDING_KEY.unwrap(UUID(int=8), KEY.wrapped)


@pytest.mark.parametrize("sealed", [b"", bytes(80), KEY.wrapped.sealed[:-1]], ids=len)
def test_a_wrapped_key_that_was_altered_is_refused(sealed: bytes):
    with pytest.raises(CorruptChunkError):
        RECORDING_KEY.unwrap(SESSION, msgspec.structs.replace(KEY.wrapped, sealed=sealed))


def test_a_frame_tells_neither_its_body_nor_that_it_came_before():
    first, second = sealed(), sealed(number=1)
    assert BODY not in first
    assert first[4:] != second[4:]
    assert len(first) == len(BODY) + FRAME_OVERHEAD_BYTES


@pytest.mark.parametrize("bit", range(0, 8 * (len(BODY) + FRAME_OVERHEAD_BYTES), 7))
def test_every_flipped_bit_of_a_frame_is_found(bit: int):
    altered = bytearray(sealed(3, 9))
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptChunkError):
        KEY.decrypt_frame(3, bytes(altered))


@pytest.mark.parametrize("sealed", [b"", b"1234", bytes(19), bytes(20)])
def test_what_is_too_short_is_refused(sealed: bytes):
    with pytest.raises(CorruptChunkError):
        KEY.decrypt_frame(0, sealed)
    with pytest.raises(CorruptChunkError):
        KEY.decrypt_payload(memoryview(sealed), b"")


def test_a_payload_is_bound_to_its_header():
    sealed = KEY.encrypt_payload(BODY, b"header")
    assert KEY.decrypt_payload(memoryview(sealed), b"header") == BODY
    with pytest.raises(CorruptChunkError):
        KEY.decrypt_payload(memoryview(sealed), b"another")


def test_a_key_that_is_none_wraps_nothing():
    with pytest.raises(RecordingKeyError, match="not an X25519 public key"):
        RecordingPublicKey(public=bytes(32)).new_data_key(SESSION)


def test_a_private_key_shows_its_id_alone():
    private = RecordingPrivateKey.generate()
    key = RecordingPrivateKey(private)
    assert repr(key) == f"RecordingPrivateKey({key_id(key.public.public)})"
    assert private.hex() not in repr(key)


def test_a_wrapped_key_survives_the_wire():
    packed = msgspec.msgpack.encode(KEY.wrapped)
    assert msgspec.msgpack.decode(packed, type=WrappedKey) == KEY.wrapped
