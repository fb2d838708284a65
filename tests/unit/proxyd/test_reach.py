import asyncio
from collections.abc import AsyncIterator

import pytest

from bus.errors import BusUnavailableError
from bus.memory import MemoryBus
from proxyd import reach as reach_module
from proxyd.reach import StorageReach
from recorder.clock import SystemClock


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTERVAL_S", "ANXIOUS_INTERVAL_S", "LAST_WORD_S"):
        monkeypatch.setattr(reach_module, name, 0.01)


class Asked:
    """A bus that counts, and an engine that notes what it is told."""

    def __init__(self, bus: MemoryBus, limit_s: float) -> None:
        self.told: list[str] = []
        self.reach = StorageReach(
            bus,
            SystemClock(),
            limit_s=limit_s,
            out_of_reach=lambda: self.told.append("out of reach"),
            back=lambda: self.told.append("back"),
        )


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    async with MemoryBus(1) as bus:
        yield bus


async def run_for(seconds: float, reach: StorageReach) -> None:
    try:
        async with asyncio.timeout(seconds):
            await reach.run()
    except TimeoutError:
        return


async def test_storage_that_answers_is_in_reach(bus):
    bus.store(lambda _: pytest.fail("nothing is shipped"))
    asked = Asked(bus, 0.02)
    await run_for(0.1, asked.reach)
    assert asked.reach.unreachable_s == 0
    assert asked.told == []


async def test_silence_is_measured_from_the_first_question_without_answer(bus):
    asked = Asked(bus, 0.1)
    await run_for(0.07, asked.reach)
    assert 0.05 < asked.reach.unreachable_s < 0.1
    assert asked.told == []
    await run_for(0.08, asked.reach)
    assert asked.told == ["out of reach"]


async def test_an_answer_in_time_calls_the_alarm_off(bus):
    asked = Asked(bus, 0.2)
    await run_for(0.05, asked.reach)
    bus.store(lambda _: pytest.fail("nothing is shipped"))
    await run_for(0.3, asked.reach)
    assert asked.told == ["back"]
    assert asked.reach.unreachable_s == 0


async def test_the_reason_is_in_the_log(bus, capsys):
    with pytest.raises(BusUnavailableError):
        await bus.reach_storage()
    await run_for(0.03, Asked(bus, 1).reach)
    assert "storage.unreachable" in "".join(capsys.readouterr())
