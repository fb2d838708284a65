import asyncio
import json

import pytest

from proxyd.metrics import Metrics, MetricsServer, watch

NAMES = [
    "proxyd_sessions_active",
    "proxyd_logins_total",
    "proxyd_spool_bytes",
    "proxyd_oldest_unshipped_chunk_seconds",
    "proxyd_chunks_shipped_total",
    "proxyd_bus_confirm_seconds",
    "proxyd_chunks_rejected_total",
    "proxyd_index_lag_seconds",
    "proxyd_relay_bytes_total",
    "proxyd_recordings_lost_total",
    "proxyd_spool_disk_used_ratio",
    "proxyd_spool_quarantined_total",
    "proxyd_spool_quota_bytes",
    "proxyd_storage_unreachable_seconds",
    "proxyd_audit_unexported_seconds",
    "process_resident_memory_bytes",
]


@pytest.fixture
def reasons() -> list[str]:
    """Why the node is not ready."""
    return []


@pytest.fixture
async def ask(reasons):
    metrics = Metrics()
    metrics.chunks_shipped_total.inc()

    server = MetricsServer(metrics, "127.0.0.1", 0, lambda: reasons)
    async with server.listening() as (host, port):

        async def request(text: bytes) -> bytes:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(text)
                answer = await reader.read()
                writer.close()
                await writer.wait_closed()
            return answer

        yield request


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_declared(name):
    assert f"# HELP {name} ".encode() in Metrics().exposition()


def test_a_gauge_shows_what_is_true_at_the_scrape():
    metrics, size = Metrics(), [1.0]
    watch(metrics.spool_bytes, lambda: size[0])
    size[0] = 42
    assert b"proxyd_spool_bytes 42.0\n" in metrics.exposition()


def test_a_total_that_others_count_shows_each_direction():
    metrics, counted = Metrics(), [3, 4]
    metrics.relay_bytes_total.read(lambda: counted[0], "from_client")
    metrics.relay_bytes_total.read(lambda: counted[1], "from_target")
    counted[1] = 5
    shown = metrics.exposition()
    assert b'proxyd_relay_bytes_total{direction="from_client"} 3.0\n' in shown
    assert b'proxyd_relay_bytes_total{direction="from_target"} 5.0\n' in shown


async def test_a_process_that_turns_is_healthy_ready_or_not(ask, reasons):
    reasons.append("it is starting")
    assert (await ask(b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_node_that_can_take_no_work_says_why(ask, reasons):
    assert b'{"ready":true,"why":[]}' in await ask(b"GET /readyz HTTP/1.1\r\n\r\n")
    reasons.append('the disk is "full"')
    head, _, body = (await ask(b"GET /readyz HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body) == {"ready": False, "why": ['the disk is "full"']}


async def test_a_scraper_reads_them(ask):
    answer = await ask(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"proxyd_chunks_shipped_total 1.0\n" in body
    assert f"Content-Length: {len(body)}".encode() in head


async def test_nothing_else_is_served(ask):
    assert (await ask(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    assert (await ask(b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")


async def test_a_shouting_client_is_hung_up_on(ask):
    assert await ask(b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 200) == b""
