from uuid import UUID

import pytest
from samples.chunks import three_chunks

from bus.errors import BusUnavailableError
from bus.memory import MemoryBus
from proxyd.engine import MeasuredSink
from proxyd.metrics import Metrics
from recorder.clock import ManualClock
from recorder.ports import StorageReceipt

SESSION = UUID(int=7)
CHUNK = three_chunks()[0]


@pytest.fixture
async def bus():
    async with MemoryBus(1) as bus:
        yield bus


def counted(metrics: Metrics, line: str) -> bool:
    return f"\n{line}\n".encode() in metrics.exposition()


async def test_a_chunk_counts_once_it_is_stored(bus):
    metrics = Metrics()
    sink = MeasuredSink(bus, metrics, ManualClock())
    with pytest.raises(BusUnavailableError):
        await sink.ship(CHUNK)
    assert counted(metrics, "proxyd_chunks_shipped_total 0.0")
    receipt = StorageReceipt(session_id=SESSION, sequence=0, digest=CHUNK.digest)
    bus.store(lambda _chunk: receipt)
    assert sink.last_receipt_at is None
    assert await sink.ship(CHUNK) == receipt
    assert sink.last_receipt_at == ManualClock().now()
    assert counted(metrics, "proxyd_chunks_shipped_total 1.0")
