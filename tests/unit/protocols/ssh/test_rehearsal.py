import asyncio
from collections.abc import Callable

import pytest

from protocols.ssh import rehearsal as module
from protocols.ssh.rehearsal import KEYS_A_LINE, LINGER_S, Rehearsal


class Loop:
    """The timers of an event loop, in the test's hands."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, work: Callable[..., None], *args: object) -> None:
        self.timers.append((self.now_s + delay_s, work, args))

    def run_for(self, seconds: float, *, late_s: float = 0) -> None:
        until_s = self.now_s + seconds
        while self.timers and self.timers[0][0] <= until_s:
            due_s, work, args = self.timers.pop(0)
            self.now_s = due_s + late_s
            work(*args)
        self.now_s = until_s


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    ours = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: ours)
    return ours


@pytest.fixture
def crossed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys of our own have crossed."""
    count = [0]
    real = module._Stage.rehearse

    def counted(stage: module._Stage) -> None:
        count[0] += 1
        real(stage)

    monkeypatch.setattr(module._Stage, "rehearse", counted)
    return count


def test_keys_of_our_own_cross_while_somebody_types(loop: Loop, crossed: list[int]):
    rehearsal = Rehearsal(0.002)
    rehearsal.typed()
    loop.run_for(1)
    assert 450 <= crossed[0] <= 500


def test_a_long_line_is_no_reason_to_stop(loop: Loop, crossed: list[int]):
    rehearsal = Rehearsal(0.002)
    for _ in range(3):
        rehearsal.typed()
        loop.run_for(1)
    assert crossed[0] > 3 * KEYS_A_LINE


def test_nothing_is_left_running_once_nobody_types(loop: Loop):
    rehearsal = Rehearsal(0.002)
    rehearsal.typed()
    loop.run_for(LINGER_S + 0.1)
    assert (rehearsal.running, loop.timers) == (False, [])


def test_it_begins_again_with_the_next_key(loop: Loop, crossed: list[int]):
    rehearsal = Rehearsal(0.002)
    rehearsal.typed()
    loop.run_for(LINGER_S + 1)
    before = crossed[0]
    rehearsal.typed()
    loop.run_for(0.1)
    assert rehearsal.running
    assert crossed[0] > before


def test_a_loop_that_has_real_work_is_left_to_it(loop: Loop, crossed: list[int]):
    rehearsal = Rehearsal(0.002)
    rehearsal.typed()
    loop.run_for(1, late_s=0.01)
    assert crossed[0] == 0


def test_switched_off_it_does_nothing(loop: Loop):
    rehearsal = Rehearsal(0)
    rehearsal.typed()
    assert (rehearsal.running, loop.timers) == (False, [])
