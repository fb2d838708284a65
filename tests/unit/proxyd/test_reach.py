import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from samples.recordings import until

from bus.errors import BusUnavailableError
from bus.memory import MemoryBus
from proxyd import reach as reach_module
from proxyd.reach import StorageReach
from recorder.clock import ManualClock, SystemClock
from recorder.ports import Clock


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTERVAL_S", "ANXIOUS_INTERVAL_S", "LAST_WORD_S"):
        monkeypatch.setattr(reach_module, name, 0.01)


class Asked:
    """A bus that counts, and an engine that notes what it is told."""

    def __init__(self, bus: MemoryBus, limit_s: float, clock: Clock) -> None:
        self.told: list[str] = []
        self.reach = StorageReach(
            bus,
            clock,
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


async def run_until(condition: Callable[[], object], reach: StorageReach) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(reach.run())
        await until(condition)
        asking.cancel()


async def test_storage_that_answers_is_in_reach(bus):
    bus.store(lambda _: pytest.fail("nothing is shipped"))
    asked = Asked(bus, 0.02, SystemClock())
    await run_for(0.1, asked.reach)
    assert asked.reach.unreachable_s == 0
    assert asked.told == []


async def test_silence_is_measured_from_the_first_question_without_answer(bus):
    clock = ManualClock()
    asked = Asked(bus, 60, clock)
    await run_for(0.05, asked.reach)
    clock.advance(59)
    await run_for(0.05, asked.reach)
    assert asked.reach.unreachable_s == 59
    assert asked.told == []


async def test_silence_until_the_limit_is_told(bus):
    asked = Asked(bus, 0.05, SystemClock())
    await run_until(lambda: asked.told, asked.reach)
    assert asked.told == ["out of reach"]


async def test_an_answer_in_time_calls_the_alarm_off(bus):
    asked = Asked(bus, 60, SystemClock())
    await run_for(0.05, asked.reach)
    bus.store(lambda _: pytest.fail("nothing is shipped"))
    await run_until(lambda: asked.told, asked.reach)
    assert asked.told == ["back"]
    assert asked.reach.unreachable_s == 0
    alarm = asked.reach._alarm
    assert alarm is not None
    assert alarm.cancelled()


async def test_the_reason_is_in_the_log(bus, capsys):
    with pytest.raises(BusUnavailableError):
        await bus.reach_storage()
    await run_for(0.03, Asked(bus, 60, SystemClock()).reach)
    assert "storage.unreachable" in "".join(capsys.readouterr())
