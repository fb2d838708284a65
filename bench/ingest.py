"""How fast one worker stores chunks in PostgreSQL, and how long a receipt takes.

Chunks of a terminal's 30 s (about 30 KB) come from 300 sessions in turn; those of a bulk
transfer are 1 MiB, the largest there are. PostgreSQL syncs each commit, as it does in
service, and runs on the same cores. The peer is PostgreSQL itself, given the same bytes in
transactions of the same size and nothing else.
"""

import os
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from peers.postgresql import PostgreSQLServer, private_server
from samples.chunks import KEYS, Signers, chunk

from bench.figures import Figure, median, quantile
from bench.rig import Rig
from recorder.chunk import Chunk
from recorder.clock import SystemClock
from recorder.events import TargetData
from storage.blobs import BlobStore, DatabaseBlobs
from storage.database import Database
from storage.file_blobs import FileBlobs
from storage.postgresql import copy_in
from storage.tables import BlobRow
from storage.writer import Writer

_SESSIONS: Final = 300
_AT_ONCE: Final = 32
_AT_ONCE_BYTES: Final = 8 * 1024 * 1024
"""A transaction takes what has arrived, and no more than this."""
_RATE_PER_S: Final = 100
_PACED_S: Final = 20
_GOAL_MS: Final = 1000 / _RATE_PER_S
_RECEIPT_GOAL_S: Final = 2.0


def measure(_rig: Rig) -> list[Figure]:
    """Return milliseconds a chunk, flat out, and the receipts' times at 100 chunks a second."""
    terminal = list(_chunks(_SESSIONS, 7, _terminal))
    bulk = list(_chunks(20, 10, _bulk))
    with _server() as server:
        terminal_ms, terminal_alone_ms = _flat_out(server, terminal), _alone(server, terminal)
        single_ms = _one_by_one(server, terminal[:1000])
        bulk_ms, bulk_alone_ms = _flat_out(server, bulk), _alone(server, bulk)
        filed_ms = _flat_out(
            server, list(_chunks(20, 10, _bulk)), FileBlobs(server.folder / "b")
        )
        receipts_s = _paced(server, list(_chunks(_SESSIONS, 7, _terminal)))
    size = sum(len(each.encoded) for each in terminal) / len(terminal) / 1000
    return [
        Figure(f"store a terminal's chunk of {size:.0f} KB", terminal_ms, "ms", _GOAL_MS),
        Figure("... one a transaction", single_ms, "ms", _GOAL_MS),
        Figure("... PostgreSQL alone", terminal_alone_ms, "ms"),
        Figure("store a chunk of 1 MiB", bulk_ms, "ms"),
        Figure("... PostgreSQL alone", bulk_alone_ms, "ms"),
        Figure("... its bytes in a file", filed_ms, "ms"),
        Figure(f"receipt p50 at {_RATE_PER_S}/s", median(receipts_s), "s"),
        Figure(
            f"receipt p99 at {_RATE_PER_S}/s", quantile(receipts_s, 0.99), "s", _RECEIPT_GOAL_S
        ),
    ]


def _terminal() -> bytes:
    return os.urandom(25_000).hex().encode()


def _bulk() -> bytes:
    return os.urandom(1024 * 1024 - 1024)


def _chunks(sessions: int, each: int, content: Callable[[], bytes]) -> Iterator[Chunk]:
    """Yield the first chunk of every session, then the second of every session."""
    last: dict[int, Chunk] = {}
    ids = [uuid4() for _ in range(sessions)]
    for step in range(each):
        for number, session_id in enumerate(ids):
            shown, size = content(), 150
            events = [
                TargetData(
                    at_ms=step * 30_000 + at // 10, channel=0, data=shown[at : at + size]
                )
                for at in range(0, len(shown), size)
            ]
            last[number] = chunk([*events], last.get(number), session_id=session_id)
            yield last[number]


def _one_by_one(server: PostgreSQLServer, chunks: list[Chunk]) -> float:
    with _writer(server) as writer:
        start = time.perf_counter()
        for each in chunks:
            writer.store(each)
        return (time.perf_counter() - start) / len(chunks) * 1000


def _batches(chunks: list[Chunk]) -> Iterator[list[Chunk]]:
    batch: list[Chunk] = []
    for each in chunks:
        full = len(batch) == _AT_ONCE or _size(batch) + len(each.encoded) > _AT_ONCE_BYTES
        if batch and full:
            yield batch
            batch = []
        batch.append(each)
    yield batch


def _size(batch: list[Chunk]) -> int:
    return sum(len(each.encoded) for each in batch)


def _flat_out(
    server: PostgreSQLServer, chunks: list[Chunk], blobs: BlobStore | None = None
) -> float:
    with _writer(server, blobs) as writer:
        start = time.perf_counter()
        for batch in _batches(chunks):
            writer.store_all(batch)
        return (time.perf_counter() - start) / len(chunks) * 1000


def _paced(server: PostgreSQLServer, chunks: list[Chunk]) -> list[float]:
    """Hand in a chunk every 10 ms; return how long after that each had its receipt."""
    arrived: queue.Queue[tuple[float, Chunk]] = queue.Queue(maxsize=len(chunks))
    wanted = chunks[: _RATE_PER_S * _PACED_S]
    start = time.perf_counter()

    def arrive() -> None:
        for number, each in enumerate(wanted):
            due = start + number / _RATE_PER_S
            time.sleep(max(0.0, due - time.perf_counter()))
            arrived.put((due, each))

    took: list[float] = []
    feeding = threading.Thread(target=arrive, name="arrivals")
    with _writer(server) as writer:
        feeding.start()
        while len(took) < len(wanted):
            batch = [arrived.get()]
            while len(batch) < _AT_ONCE and not arrived.empty():
                batch.append(arrived.get())
            writer.store_all([each for _, each in batch])
            now = time.perf_counter()
            took += [now - due for due, _ in batch]
    feeding.join()
    return took


def _alone(server: PostgreSQLServer, chunks: list[Chunk]) -> float:
    database = Database(server.migrated_database())
    start = time.perf_counter()
    for batch in _batches(chunks):
        rows = {each.digest.hex(): each.encoded for each in batch}
        database.write(partial(copy_in, table=BlobRow.__tablename__, rows=rows))
    took_s = time.perf_counter() - start
    database.close()
    return took_s / len(chunks) * 1000


@contextmanager
def _server() -> Iterator[PostgreSQLServer]:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/var/tmp"))
    try:
        server = private_server(folder, fsync=True)
        yield server
        server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _writer(server: PostgreSQLServer, blobs: BlobStore | None = None) -> Iterator[Writer]:
    database = Database(server.migrated_database())
    yield Writer(database, blobs or DatabaseBlobs(), SystemClock(), KEYS, Signers())
    database.close()
