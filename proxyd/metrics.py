"""Every metric, declared once, and the tiny server that shows them to Prometheus.

Lower packages know nothing of Prometheus: gauges are read from them at the moment of
a scrape (`watch`), counters are counted up by callbacks that the composition hands in.
INVARIANT: no label holds a user, a target or a session.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

_REQUEST_TIMEOUT_S: Final = 5
_MAX_LINES: Final = 100
"""No scraper sends more header lines."""
_CONFIRM_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What the daemon measures of itself."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self.sessions_active = Gauge(
            "proxyd_sessions_active", "Sessions now open", ["protocol"], registry=self.registry
        )
        self.logins_total = Counter(
            "proxyd_logins", "Logins tried", ["protocol", "outcome"], registry=self.registry
        )
        self.spool_bytes = Gauge(
            "proxyd_spool_bytes", "Bytes waiting in the spool", registry=self.registry
        )
        self.oldest_unshipped_chunk_seconds = Gauge(
            "proxyd_oldest_unshipped_chunk_seconds",
            "Age of the oldest sealed chunk without a storage receipt; alarm on this",
            registry=self.registry,
        )
        self.storage_unreachable_seconds = Gauge(
            "proxyd_storage_unreachable_seconds",
            "For how long nothing could be stored; sessions end at unreachable_limit_s",
            registry=self.registry,
        )
        self.bus_connected = Gauge(
            "proxyd_bus_connected", "1 while the broker is connected", registry=self.registry
        )
        self.dead_letters = Gauge(
            "proxyd_dead_letters",
            "Chunks that workers gave up on, waiting for an operator",
            registry=self.registry,
        )
        self.recording_gaps_total = Counter(
            "proxyd_recording_gaps",
            "Gaps in recordings that could not be filled",
            registry=self.registry,
        )
        self.chunks_shipped_total = Counter(
            "proxyd_chunks_shipped", "Chunks with a storage receipt", registry=self.registry
        )
        self.bus_confirm_seconds = Histogram(
            "proxyd_bus_confirm_seconds",
            "From handing a chunk to the bus to its storage receipt",
            buckets=_CONFIRM_BUCKETS_S,
            registry=self.registry,
        )
        self.chunks_rejected_total = Counter(
            "proxyd_chunks_rejected",
            "Chunks that storage put into quarantine",
            ["reason"],
            registry=self.registry,
        )
        self.index_lag_seconds = Gauge(
            "proxyd_index_lag_seconds",
            "Age of the oldest stored chunk that is not in the index",
            registry=self.registry,
        )

    def exposition(self) -> bytes:
        """Return all of them in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)


def watch(gauge: Gauge, read: Callable[[], float]) -> None:
    """Let `gauge` show what `read` returns at the moment of a scrape."""
    gauge.set_function(read)


class MetricsServer:
    """Answers `GET /metrics` in plain HTTP, and nothing else."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._metrics = metrics
        self._host, self._port = host, port

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[tuple[str, int]]:
        """Serve while entered; give the address that was bound."""
        server = await asyncio.start_server(self._serve, self._host, self._port, limit=8192)
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield str(host), int(port)
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                request = await reader.readline()
                await _skip_headers(reader)
                # Reading the gauges looks at disk and database.
                writer.write(await asyncio.to_thread(self._answer, request))
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # A scraper that hangs up, dawdles or shouts comes again by itself.
        finally:
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        match request.split():
            case [b"GET", path, *_] if path.partition(b"?")[0] == b"/metrics":
                return _response("200 OK", CONTENT_TYPE_PLAIN_0_0_4, self._metrics.exposition())
            case [b"GET", *_]:
                return _response("404 Not Found", "text/plain", b"only /metrics is here\n")
            case _:
                return _response("405 Method Not Allowed", "text/plain", b"GET only\n")


async def _skip_headers(reader: asyncio.StreamReader) -> None:
    for _ in range(_MAX_LINES):
        if (await reader.readline()).strip() == b"":
            return
    raise ValueError("too many header lines")


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
