"""Every metric, declared once, and the tiny server that shows them to Prometheus.

Lower packages know nothing of Prometheus: what they count is read from them at the moment
of a scrape (`watch`, `ReadTotal`), or counted up by callbacks that the composition hands
in. The server also says whether the process turns and whether it can take work.
INVARIANT: no label holds a user, a target or a session.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

_REQUEST_TIMEOUT_S: Final = 5
_MAX_LINES: Final = 100
"""No scraper sends more header lines."""
_TEXT, _JSON = "text/plain", "application/json"
_CONFIRM_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ReadTotal(Collector):
    """A counter that somebody else counts; it is read at the moment of a scrape."""

    def __init__(
        self, name: str, says: str, label: str = "", *, registry: CollectorRegistry
    ) -> None:
        self._name, self._says = name, says
        self._labels = [label] if label else []
        self._readers: list[tuple[list[str], Callable[[], float]]] = []
        registry.register(self)

    def read(self, reader: Callable[[], float], value: str = "") -> None:
        """Show what `reader` returns, under the label's `value` where it has one."""
        self._readers.append(([value] if self._labels else [], reader))

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the family with every value that is known."""
        family = CounterMetricFamily(self._name, self._says, labels=self._labels)
        for values, reader in self._readers:
            family.add_metric(values, reader())
        yield family


class Metrics:
    """What the daemon measures of itself."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self.sessions_active = Gauge(
            "proxyd_sessions_active", "Sessions now open", ["protocol"], registry=self.registry
        )
        self.logins_total = Counter(
            "proxyd_logins", "Logins tried", ["protocol", "outcome"], registry=self.registry
        )
        self.commands_matched_total = Counter(
            "proxyd_commands_matched",
            "Commands that broke a rule of their secret",
            ["action"],
            registry=self.registry,
        )
        self.spool_bytes = Gauge(
            "proxyd_spool_bytes", "Bytes waiting in the spool", registry=self.registry
        )
        self.spool_quota_bytes = Gauge(
            "proxyd_spool_quota_bytes", "Bytes that may wait there", registry=self.registry
        )
        self.spool_disk_used_ratio = Gauge(
            "proxyd_spool_disk_used_ratio",
            "How full the spool's disk is: new sessions are refused from 0.95 on",
            registry=self.registry,
        )
        self.recordings_lost_total = ReadTotal(
            "proxyd_recordings_lost",
            "Recordings that stopped or have a gap",
            registry=self.registry,
        )
        self.spool_quarantined_total = ReadTotal(
            "proxyd_spool_quarantined",
            "Damaged files that the engine put aside: parts of recordings that are missing",
            registry=self.registry,
        )
        self.relay_bytes_total = ReadTotal(
            "proxyd_relay_bytes",
            "Bytes that were recorded and passed on",
            "direction",
            registry=self.registry,
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
        self.audit_unexported_seconds = Gauge(
            "proxyd_audit_unexported_seconds",
            "Age of the oldest row of the audit trail that the syslog server has not got",
            registry=self.registry,
        )

    def exposition(self) -> bytes:
        """Return all of them in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)


def watch(gauge: Gauge, read: Callable[[], float]) -> None:
    """Let `gauge` show what `read` returns at the moment of a scrape."""
    gauge.set_function(read)


NotReady = Callable[[], Sequence[str]]
"""Says why a node can take no work now; nothing, where it can."""


class MetricsServer:
    """Answers `GET /metrics`, `/healthz` and `/readyz` in plain HTTP, and nothing else."""

    def __init__(
        self, metrics: Metrics, host: str, port: int, not_ready: NotReady = tuple
    ) -> None:
        self._metrics = metrics
        self._host, self._port = host, port
        self._not_ready = not_ready

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
                writer.write(await self._answer(request))
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # A scraper that hangs up, dawdles or shouts comes again by itself.
        finally:
            writer.close()

    async def _answer(self, request: bytes) -> bytes:
        words = request.split()
        if len(words) < 2 or words[0] != b"GET":  # noqa: PLR2004 - a verb and a path
            return _response("405 Method Not Allowed", _TEXT, b"GET only\n")
        match words[1].partition(b"?")[0]:
            case b"/metrics":
                # Reading the gauges looks at disk and database.
                body = await asyncio.to_thread(self._metrics.exposition)
                return _response("200 OK", CONTENT_TYPE_PLAIN_0_0_4, body)
            case b"/healthz":
                # That this is answered at all says that the event loop turns.
                return _response("200 OK", _JSON, b'{"healthy":true}\n')
            case b"/readyz":
                return self._readiness()
        return _response("404 Not Found", _TEXT, b"only /metrics, /healthz and /readyz\n")

    def _readiness(self) -> bytes:
        why = list(self._not_ready())
        body = msgspec.json.encode({"ready": not why, "why": why}) + b"\n"
        return _response("503 Service Unavailable" if why else "200 OK", _JSON, body)


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
