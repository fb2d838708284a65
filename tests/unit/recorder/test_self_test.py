import pytest
from samples.chunks import KEYS, SIGNER, STARTED, Keys, Signers

from recorder import self_test as tested
from recorder.data_key import DataKey, RecordingPublicKey
from recorder.errors import RecordingKeyError, SelfTestError
from recorder.self_test import self_test
from recorder.signing import SignerKey, SigningKey


def test_what_works_passes_with_and_without_the_storage_side():
    self_test(KEYS, STARTED)
    self_test(KEYS, STARTED, Signers(), KEYS)


def test_an_engine_that_nobody_knows_does_not_start():
    stranger = Signers(SignerKey(engine_id="engine-1", public=bytes(32)))
    with pytest.raises(SelfTestError, match="would be refused by storage"):
        self_test(KEYS, STARTED, stranger)


def test_a_library_that_believes_everything_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("recorder.chunk.is_signed", lambda *_: True)
    with pytest.raises(SelfTestError, match="verifies for what was not signed"):
        self_test(KEYS, STARTED)


def test_a_library_that_believes_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("recorder.chunk.is_signed", lambda *_: False)
    with pytest.raises(SelfTestError, match="would be refused"):
        self_test(KEYS, STARTED)


def test_a_signer_that_signs_something_else_is_noticed():
    class Elsewhere(Keys):
        class signer(SigningKey):  # noqa: N801 - it stands for an attribute
            pass

    broken = Elsewhere.signer("engine-1", bytes(range(32, 64)))
    broken.sign = lambda message: SIGNER.sign(b"something else")  # type: ignore[method-assign]
    keys = Elsewhere()
    keys.signer = broken  # type: ignore[misc,assignment]
    with pytest.raises(SelfTestError, match="would be refused"):
        self_test(keys, STARTED)


def test_encryption_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        DataKey, "encrypt_frame", lambda self, segment, number, body: (b"", body)
    )
    with pytest.raises(SelfTestError, match="in clear"):
        self_test(KEYS, STARTED)


def test_a_chunk_in_clear_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(DataKey, "encrypt_payload", lambda self, payload, header: tested._MARK)
    with pytest.raises(SelfTestError, match="clear text"):
        self_test(KEYS, STARTED)


def test_a_recording_key_that_is_none_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Keys, "recording_key", RecordingPublicKey(public=bytes(32)))
    with pytest.raises(RecordingKeyError):
        self_test(KEYS, STARTED)
