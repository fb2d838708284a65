import re

import msgspec
import pytest
from samples.chunks import KEYS, SESSION, Signers, three_chunks

from recorder.clock import ManualClock
from recorder.data_key import WrappedKey
from recorder.errors import RecordingKeyError
from recorder.events import EndReason
from recorder.signing import SignerKey
from storage.arrival import Arrival, Arrivals
from storage.database import Database
from storage.errors import DamagedChunkError, StorageUnavailableError, UntrustedChunkError

FIRST, _, LAST = three_chunks()


class LostKeys:
    """Recording keys of which the one that is needed is gone."""

    def unwrap(self, _session_id: object, _wrapped: WrappedKey) -> bytes:
        raise RecordingKeyError("the recording key is missing")


def test_a_chunk_is_opened_counted_and_named(sqlite_database: Database):
    arrivals = Arrivals(sqlite_database, ManualClock(), KEYS, Signers())
    first, last = arrivals.judge([FIRST, LAST])
    assert isinstance(first, Arrival)
    assert isinstance(last, Arrival)
    assert first.key == (SESSION, 0)
    assert first.content.info is not None
    assert first.content.info.user == "ana"
    assert first.content.count.events == FIRST.header.events
    assert last.content.end_reason is EndReason.CLIENT_LEFT


def test_a_chunk_of_a_stranger_is_not_believed(sqlite_database: Database):
    stranger = Signers(SignerKey(engine_id="engine-2", public=bytes(32)))
    [refusal] = Arrivals(sqlite_database, ManualClock(), KEYS, stranger).judge([FIRST])
    assert isinstance(refusal, UntrustedChunkError)
    assert re.search(r"chunk 0 .* not to be trusted", str(refusal))


def test_a_header_that_is_not_the_one_in_the_bytes_is_damage(sqlite_database: Database):
    arrivals = Arrivals(sqlite_database, ManualClock(), KEYS, Signers())
    header = msgspec.structs.replace(FIRST.header, sequence=9)
    damaged = msgspec.structs.replace(FIRST, header=header)
    whole, refusal = arrivals.judge([FIRST, damaged])
    assert isinstance(whole, Arrival)
    assert isinstance(refusal, DamagedChunkError)
    assert "not the one in the bytes" in str(refusal)


def test_a_chunk_waits_while_its_recording_key_is_missing(sqlite_database: Database):
    arrivals = Arrivals(sqlite_database, ManualClock(), LostKeys(), Signers())
    with pytest.raises(StorageUnavailableError, match="the recording key is missing"):
        arrivals.judge([FIRST])
