"""Records numbered bursts into a spool until it is stopped; run as a program of its own.

    recording_process.py SPOOL BURSTS [SYNC_INTERVAL_MS] [FILE_LIMIT_BYTES] [CHUNK_MAX_BYTES]

After each burst that was taken its number goes to standard output in one write, as a
relay forwards what was recorded. Standard error ends with how it went.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

import structlog
from samples.recordings import engine, shown

from config.model import RecorderSettings
from recorder.errors import RecordingLostError
from recorder.events import EndReason


async def record(spool: Path, bursts: int, sync_interval_ms: int, max_bytes: int) -> None:
    """Record, say what was taken, and end as a session does."""
    settings = RecorderSettings(chunk_max_bytes=max_bytes, sync_interval_ms=sync_interval_ms)
    async with engine(spool, settings) as running:
        running.store.failing = ConnectionError("what is sealed stays here")
        sink = await running.start()
        reason = EndReason.CLIENT_LEFT
        try:
            for number in range(bursts):
                text = b"%d\n" % number
                sink.record([shown(sink, text + bytes(number * 37 % 3000))])
                os.write(1, text)
                if number % 3 == 0:
                    await asyncio.sleep(0.0005)
                await sink.drain()
        except RecordingLostError as error:
            reason = EndReason.RECORDING_LOST
            sys.stderr.write(f"lost: {error}\n")
        await sink.close(reason)


if __name__ == "__main__":
    folder, count, *rest = sys.argv[1:]
    sync_ms, limit_bytes, max_bytes = [*map(int, rest), *(250, 0, 65536)[len(rest) :]]
    if limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(record(Path(folder), int(count), sync_ms, max_bytes))
