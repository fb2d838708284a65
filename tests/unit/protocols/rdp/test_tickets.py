"""Who is asked for tickets, and how long; with a realm: `integration/test_rdp_kerberos.py`."""

import threading
import time

import pytest
from samples.rdp import REAL

from config.model import RDPSettings
from protocols.rdp import tickets
from protocols.rdp.opening import Opening, by_ntlm

BEGUN = by_ntlm(REAL, "target")
ASKING = RDPSettings(kerberos=True, dial_timeout_s=5)


def asked_in_turn(monkeypatch: pytest.MonkeyPatch, answer: Opening | None) -> list[str]:
    threads: list[str] = []

    def ask(*_words: object) -> Opening | None:
        threads.append(threading.current_thread().name)
        return answer

    monkeypatch.setattr(tickets, "by_kerberos", ask)
    return threads


@pytest.mark.parametrize("answer", [BEGUN, None])
async def test_a_realm_is_asked_in_a_thread_of_its_own(
    monkeypatch: pytest.MonkeyPatch, answer: Opening | None
) -> None:
    threads = asked_in_turn(monkeypatch, answer)
    assert await tickets.opened(REAL, "target", ASKING) is answer
    assert threads == ["kerberos"]


async def test_nobody_is_asked_unless_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = asked_in_turn(monkeypatch, BEGUN)
    assert await tickets.opened(REAL, "target", RDPSettings()) is None
    assert threads == []


async def test_nobody_waits_for_a_silent_realm_and_so_many_threads_do_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(tickets, "by_kerberos", lambda *_: let_go.wait(30) and None)
    monkeypatch.setattr(tickets, "_AT_ONCE", 2)
    soon = RDPSettings(kerberos=True, dial_timeout_s=0.05)
    begun = time.monotonic()
    for _ in range(4):
        assert await tickets.opened(REAL, "target", soon) is None
    assert time.monotonic() - begun < 5
    waiting = [one for one in threading.enumerate() if one.name == "kerberos"]
    assert len(waiting) == 2
    let_go.set()
    for one in waiting:
        one.join(10)
