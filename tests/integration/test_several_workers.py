"""Several workers on one PostgreSQL: whatever they are handed, and whoever dies."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from peers.needed import ROOT, environment, wait_until, wanted
from peers.postgresql import PostgreSQLServer
from samples.chunks import KEYS, Signers, chunk
from samples.stored import contents, sessions, shuffled, write_chunks

from recorder.chunk import Chunk
from recorder.clock import ManualClock, SystemClock
from recorder.events import TargetData
from storage.blobs import DatabaseBlobs
from storage.child import Child
from storage.database import Database
from storage.errors import ChunkConflictError, StorageUnavailableError
from storage.indexer import Indexer
from storage.writer import Writer

pytestmark = pytest.mark.peers
Receipt = tuple[int, int, str]


def in_threads(*works) -> None:
    """Run all at once; raise what one raised."""
    failed: list[BaseException] = []

    def guarded(work) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    database.migrate()
    try:
        yield database
    finally:
        database.close()


def serially(tmp_path: Path, chunks: list[Chunk], *, index: bool = False) -> dict[str, object]:
    """Return what one worker makes of them on SQLite, in order."""
    with opened(f"sqlite:///{tmp_path}/serial.db") as database:
        writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
        for each in chunks:
            writer.store(each)
        if index:
            index_all(database)
        return contents(database)


def index_all(database: Database) -> None:
    child = Child()
    indexer = Indexer(database, DatabaseBlobs(), SystemClock(), KEYS, child)
    try:
        while indexer.unindexed():
            indexer.index_next()
    finally:
        child.stop()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at_once", [1, 7])
def test_in_any_order_and_any_repetition_the_result_is_the_serial_one(
    postgresql: str, tmp_path: Path, seed: int, at_once: int
):
    chunks = sessions(count=4, chunks_each=6)

    def worker(number: int):
        arrivals = shuffled(chunks, seed=seed * 10 + number, repeats=10)

        def work() -> None:
            with opened(postgresql) as database:
                writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
                for start in range(0, len(arrivals), at_once):
                    batch = arrivals[start : start + at_once]
                    receipts = writer.store_all(batch)
                    assert [each.digest for each in receipts] == [each.digest for each in batch]

        return work

    in_threads(*map(worker, range(4)))
    with opened(postgresql) as database:
        assert contents(database) == serially(tmp_path, chunks)


def test_of_two_chunks_with_one_number_one_is_stored_whoever_brings_them(postgresql: str):
    first = chunk([TargetData(at_ms=1, channel=0, data=b"one")], sequence=1)
    other = chunk([TargetData(at_ms=1, channel=0, data=b"other")], sequence=1)
    outcomes: list[str] = []
    meeting = threading.Barrier(2)

    def worker(each: Chunk):
        def work() -> None:
            with opened(postgresql) as database:
                meeting.wait(30)
                try:
                    Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers()).store(
                        each
                    )
                    outcomes.append("stored")
                except ChunkConflictError:
                    outcomes.append("refused")

        return work

    in_threads(worker(first), worker(other))
    assert sorted(outcomes) == ["refused", "stored"]


def test_several_indexers_skip_nothing_do_nothing_twice_and_keep_the_order(
    postgresql: str, tmp_path: Path
):
    chunks = sessions(count=4, chunks_each=6)
    taken: list[tuple[object, int]] = []

    class Watched(Indexer):
        def _take(self, session):
            job = super()._take(session)
            if job is not None:
                taken.append((job.session_id, job.sequence))
            return job

    def work() -> None:
        child = Child()
        with opened(postgresql) as database:
            indexer = Watched(database, DatabaseBlobs(), SystemClock(), KEYS, child)
            while indexer.unindexed():
                indexer.index_next()
        child.stop()

    with opened(postgresql) as database:
        Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers()).store_all(chunks)
        in_threads(work, work, work)
        assert contents(database) == serially(tmp_path, chunks, index=True)
    assert set(Counter(taken).values()) == {1}
    assert len(taken) == len(chunks)
    for session_id in {each for each, _ in taken}:
        assert [number for each, number in taken if each == session_id] == list(range(6))


def test_a_backlog_older_than_our_patience_is_taken_in_order(postgresql: str):
    chunks = sessions(count=1, chunks_each=4)
    clock = ManualClock()
    with opened(postgresql) as database, opened(postgresql) as other:
        Writer(database, DatabaseBlobs(), clock, KEYS, Signers()).store_all(chunks)
        clock.advance(3600)
        with database.claiming() as within:
            job = within(Indexer(database, DatabaseBlobs(), clock, KEYS)._take)
            assert job is not None
            assert job.sequence == 0
            assert not Indexer(other, DatabaseBlobs(), clock, KEYS).index_next()


class WorkerProcess:
    """A worker of its own, that tells its receipts and may be killed."""

    def __init__(self, url: str, folder: Path, chunks: list[Chunk]) -> None:
        write_chunks(folder, chunks)
        self._told = folder.with_suffix(".receipts")
        with self._told.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "samples.stored", url, str(folder)],
                cwd=ROOT / "tests",
                env=environment(PYTHONPATH=str(ROOT)),
                stdout=output,
                stderr=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill9()

    def receipts(self) -> list[Receipt]:
        """What was acknowledged, line by whole line."""
        whole = self._told.read_text().rpartition("\n")[0].splitlines()
        rows = [line.split() for line in whole]
        return [(int(session), int(number), digest) for session, number, digest in rows]

    def kill9(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def finish(self) -> None:
        assert self._process.wait(90) == 0


def stored(database: Database) -> set[Receipt]:
    rows = contents(database)["chunks"]
    return {(session.int, number, digest.hex()) for session, number, digest, _ in rows}


def test_a_worker_killed_anywhere_loses_and_doubles_nothing(postgresql: str, tmp_path: Path):
    chunks = sessions(count=6, chunks_each=20)
    rng = random.Random(7)  # noqa: S311 - repeatable on purpose
    acknowledged: set[Receipt] = set()
    for number in range(wanted("PROXYD_WORKER_KILLS", 4)):
        waiting = [each for each in chunks if receipt_of(each) not in acknowledged]
        if not waiting:
            break  # The last one was done before it was killed.
        rng.shuffle(waiting)
        with WorkerProcess(postgresql, tmp_path / f"killed-{number}", waiting) as worker:
            wait_until(worker.receipts, "the worker stores nothing", every=0.005)
            time.sleep(rng.random() * 0.1)
        acknowledged |= set(worker.receipts())
        with opened(postgresql) as database:
            assert acknowledged <= stored(database)
    # What was not acknowledged comes again, as does what was and whose receipt was lost.
    with WorkerProcess(postgresql, tmp_path / "last", chunks) as worker:
        worker.finish()
    with opened(postgresql) as database:
        assert contents(database) == serially(tmp_path, chunks)


def receipt_of(each: Chunk) -> Receipt:
    return each.header.session_id.int, each.header.sequence, each.digest.hex()


@pytest.fixture
def mortal_url(mortal_postgresql: PostgreSQLServer) -> str:
    return mortal_postgresql.migrated_database()


@pytest.mark.parametrize("way", ["SIGKILL of a backend", "SIGKILL of all", "immediate stop"])
def test_a_receipt_is_never_given_for_what_a_dying_database_did_not_keep(
    way: str, mortal_url: str, mortal_postgresql: PostgreSQLServer, tmp_path: Path
):
    server, chunks = mortal_postgresql, sessions(count=5, chunks_each=30)
    with WorkerProcess(mortal_url, tmp_path / "worker", chunks) as worker:
        wait_until(lambda: len(worker.receipts()) > 5, "nothing is stored")
        for _ in range(2):
            break_down(server, way)
            told = set(worker.receipts())
            assert told <= stored_once_it_is_back(mortal_url)
        worker.finish()
    with opened(mortal_url) as database:
        assert contents(database) == serially(tmp_path, chunks)


def break_down(server: PostgreSQLServer, way: str) -> None:
    match way:
        case "SIGKILL of a backend":
            # PostgreSQL then restarts all of itself, and recovers from its log.
            for pid in server.backends("proxyd"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        case "SIGKILL of all":
            server.kill9()
            server.start()
        case _:
            server.stop("immediate")
            server.start()


def stored_once_it_is_back(url: str) -> set[Receipt]:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            with opened(url) as database:
                return stored(database)
        except StorageUnavailableError:
            # It may answer once more before it notices that it must restart.
            assert time.monotonic() < deadline_s, "the database does not come back"


def test_while_the_database_is_down_nothing_is_acknowledged_and_all_is_stored_later(
    mortal_url: str, mortal_postgresql: PostgreSQLServer
):
    first, second, *rest = sessions(count=1, chunks_each=6)
    with opened(mortal_url) as database:
        writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
        writer.store(first)
        mortal_postgresql.stop("immediate")
        for _ in range(3):
            with pytest.raises(StorageUnavailableError, match="check that it runs"):
                writer.store_all([second, *rest])
        mortal_postgresql.start()
        writer.store_all([second, *rest])
        assert len(stored(database)) == 6


def test_a_poison_chunk_stops_no_other(postgresql: str):
    chunks = sessions(count=1, chunks_each=6)
    good = chunks[2]
    torn = Chunk(
        header=good.header,
        pieces=(good.encoded[:-9], b"?" * 9),
        payload_offset=good.payload_offset,
    )
    forged = chunk(
        [TargetData(at_ms=1, channel=0, data=b"forged")],
        chunks[0],
        session_id=good.header.session_id,
    )
    with opened(postgresql) as database:
        writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
        outcomes = writer.store_all([*chunks[:2], torn, forged, *chunks[2:]])
        assert [type(outcome).__name__ for outcome in outcomes] == [
            "StorageReceipt",
            "StorageReceipt",
            "DamagedChunkError",
            "ChunkConflictError",
            *["StorageReceipt"] * 4,
        ]
        assert len(stored(database)) == 6
