import pytest

from control.audit import Act
from control.proof_operations import ProofOperations
from control.proof_requests import AskTreeHead, CheckLog, ProofRequest, RotateRecordingKey
from control.proofs import Proofs
from control.storage_keys import StorageKeys


@pytest.fixture
def operations(database, vault, clock) -> ProofOperations:
    keys = StorageKeys(database, vault)
    proofs = Proofs(database, keys, clock, None)
    return ProofOperations(proofs, keys, lambda who: Act(who, clock.now()))


def test_every_request_has_someone_who_carries_it_out(operations):
    assert set(operations.handlers()) == set(ProofRequest.__args__)


def test_an_empty_log_is_sound(operations):
    assert operations.check_log(CheckLog(), "ana").problems == ()
    assert operations.tree_head(AskTreeHead(), "ana").size == 0


def test_a_rotation_says_which_key_counts(operations, clock):
    clock.advance(1)
    done = operations.rotate_recording_key(RotateRecordingKey(), "ana")
    assert operations.keys.current_recording_key(clock.now()).id in done.detail
