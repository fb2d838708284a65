import asyncio

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
]


@pytest.fixture
async def ask():
    metrics = Metrics()
    metrics.chunks_shipped_total.inc()

    async with MetricsServer(metrics, "127.0.0.1", 0).listening() as (host, port):

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
