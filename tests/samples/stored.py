"""Sessions to store, a process that stores them, and what must then be in the database."""

import os
import random
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from msgspec.structs import replace
from samples.chunks import INFO, KEYS, Signers, chunk
from sqlalchemy import select

from recorder.chunk import Chunk, decode
from recorder.clock import SystemClock
from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    ClientData,
    EndReason,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
)
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.tables import ChunkRow, LineRow, SessionRow
from storage.writer import Writer, is_complete


def sessions(count: int, chunks_each: int) -> list[Chunk]:
    """Return whole sessions with a shell each, one after the other."""
    made: list[Chunk] = []
    for number in range(1, count + 1):
        session_id = UUID(int=number)
        made.append(
            chunk(
                [
                    SessionStarted(at_ms=0, info=replace(INFO, session_id=session_id)),
                    ChannelOpened(at_ms=1, channel=0, kind="session"),
                    TerminalRequested(
                        at_ms=2, channel=0, terminal="xterm", columns=80, rows=24
                    ),
                    ChannelRequested(at_ms=3, channel=0, request="shell"),
                ],
                session_id=session_id,
            )
        )
        for step in range(1, chunks_each - 1):
            at_ms = 1000 * step
            text = b"session %d line %d\r\n" % (number, step)
            made.append(
                chunk(
                    [
                        ClientData(at_ms=at_ms, channel=0, data=b"x" * step),
                        TargetData(at_ms=at_ms, channel=0, data=text),
                    ],
                    made[-1],
                    session_id=session_id,
                )
            )
        end = SessionEnded(at_ms=1000 * chunks_each, reason=EndReason.CLIENT_LEFT)
        made.append(chunk([end], made[-1], session_id=session_id))
    return made


def shuffled(chunks: list[Chunk], seed: int, repeats: int) -> list[Chunk]:
    """Return the chunks in any order, some of them twice."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    arrivals = chunks + rng.choices(chunks, k=repeats)
    rng.shuffle(arrivals)
    return arrivals


def contents(database: Database) -> dict[str, Any]:
    """Return all that must not depend on the order of arrival."""
    with database.read() as session:
        rows = session.scalars(select(SessionRow).order_by(SessionRow.id))
        sessions = {
            row.id: (
                (row.chunks, row.input_bytes, row.output_bytes, row.last_sequence),
                (row.user, row.state, row.end_reason, row.ended_at),
                (row.chain_broken, is_complete(row)),
            )
            for row in rows
        }
        chunks = session.execute(
            select(ChunkRow.session_id, ChunkRow.sequence, ChunkRow.digest, ChunkRow.size_bytes)
        )
        stored = sorted(map(tuple, chunks))
        texts = session.execute(select(LineRow.session_id, LineRow.at_ms, LineRow.text))
        lines = sorted(map(tuple, texts))
    return {"sessions": sessions, "chunks": stored, "lines": lines}


def write_chunks(folder: Path, chunks: list[Chunk]) -> None:
    folder.mkdir(exist_ok=True)
    for number, each in enumerate(chunks):
        (folder / f"{number:05d}").write_bytes(each.encoded)


def main(url: str, folder: str) -> None:
    """Be a worker: store what lies in `folder`, and say each receipt only after it."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    writer = Writer(Database(url), DatabaseBlobs(), SystemClock(), KEYS, Signers())
    for path in sorted(Path(folder).iterdir()):
        each = decode(path.read_bytes())
        while True:
            try:
                receipt = writer.store(each)
                break
            except StorageUnavailableError:
                continue
        line = f"{receipt.session_id.int} {receipt.sequence} {receipt.digest.hex()}\n"
        os.write(1, line.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
