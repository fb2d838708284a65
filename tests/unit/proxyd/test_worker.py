import msgspec
import pytest
from samples.chunks import KEYS, SESSION, SIGNER, STARTED, chunk, three_chunks
from samples.databases import new_sqlite

from config.errors import ConfigError
from config.model import BlobSettings, Settings
from control import node_keys
from control.node_keys import Purpose
from proxyd.metrics import Metrics
from proxyd.worker import Worker
from recorder.clock import ManualClock
from recorder.errors import ChunkRefusedError
from recorder.events import EndReason, SessionEnded
from recorder.signing import SigningKey

CHUNKS = three_chunks()
STRANGER = SigningKey("engine-9", bytes(32))


@pytest.fixture
def database(tmp_path):
    database = new_sqlite(tmp_path / "proxyd.db")
    with database.transaction() as session:
        node_keys.add(session, "engine-1", Purpose.SIGNING, SIGNER.public, STARTED)
    yield database
    database.close()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def worker(tmp_path, database, clock, metrics):
    return Worker(Settings(state_dir=tmp_path), database, clock, metrics, KEYS)


def test_what_is_stored_can_be_read_back(worker):
    for each in CHUNKS:
        assert worker.store(each).digest == each.digest
    stored = worker.chunks.chunks(SESSION, 0)
    assert [one.encoded for one in stored] == [one.encoded for one in CHUNKS]
    assert worker.unindexed_chunks() == 3


def test_the_index_lags_as_long_as_its_oldest_chunk_waits(worker, clock, metrics):
    assert worker.index_lag_s() == 0
    worker.store(CHUNKS[0])
    clock.advance(90)
    worker.store(CHUNKS[1])
    assert b"\nproxyd_index_lag_seconds 90.0\n" in metrics.exposition()


def test_what_is_refused_is_counted_by_its_reason(worker, metrics):
    first, second, _ = CHUNKS
    worker.store(first)
    header = msgspec.structs.replace(second.header, sequence=0)
    with pytest.raises(ChunkRefusedError, match="quarantine"):
        worker.store(msgspec.structs.replace(second, header=header))
    assert b'proxyd_chunks_rejected_total{reason="damaged"} 1.0' in metrics.exposition()


def test_what_an_unknown_engine_signed_is_refused_and_counted(worker, metrics):
    stranger = chunk([SessionEnded(at_ms=0, reason=EndReason.IDLE)], signer=STRANGER)
    with pytest.raises(ChunkRefusedError, match="not known here"):
        worker.store(stranger)
    assert b'proxyd_chunks_rejected_total{reason="untrusted"} 1.0' in metrics.exposition()


def test_a_blob_store_of_an_unknown_kind_is_a_matter_of_settings(tmp_path, database, clock):
    settings = Settings(state_dir=tmp_path, blobs=BlobSettings(url="ftp://host/"))
    with pytest.raises(ConfigError, match="of kind 'ftp'"):
        Worker(settings, database, clock, Metrics(), KEYS)


def test_what_comes_together_is_stored_and_what_of_it_is_refused_is_counted(worker, metrics):
    stranger = chunk([SessionEnded(at_ms=0, reason=EndReason.IDLE)], signer=STRANGER)
    first, refusal, second = worker.store_all([CHUNKS[0], stranger, CHUNKS[1]])
    assert [first.digest, second.digest] == [each.digest for each in CHUNKS[:2]]
    assert isinstance(refusal, ChunkRefusedError)
    assert b'proxyd_chunks_rejected_total{reason="untrusted"} 1.0' in metrics.exposition()


def test_what_is_missing_before_chunks_is_told_of_each(worker):
    first, second, last = CHUNKS
    worker.store(first)
    worker.store(last)
    headers = [each.header for each in (last, first, second)]
    assert worker.missing_before(headers) == [(1, 1), None, None]
    assert worker.missing_before([]) == []
