"""An engine's wall clock is set, back and forth, while somebody works.

Only the engine's: a message that seems an hour old is not believed by the others, and no
message of theirs by the engine, so that nothing is shipped until its clock is right again.
"""

import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.needed import program
from peers.openssh import OpenSSHServer
from peers.rabbitmq import RabbitMQ, VirtualHost, new_vhost
from peers.site import QUICK, Node, Site, Typist

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]
HOUR_MS = 3_600_000
STEPS = {"-3600": -HOUR_MS, "+3600": 2 * HOUR_MS, "+400d": (400 * 24 - 1) * HOUR_MS}
"""What libfaketime adds to the true time, and what a step that is from the one before."""


def preloaded() -> str:
    """The library that the program `faketime` loads into others."""
    shown = subprocess.run(
        [program("faketime"), "now", "printenv", "LD_PRELOAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.strip()


class WrongEngine(Node):
    """An engine whose clock can be set."""

    def __init__(self, vhost: VirtualHost) -> None:
        super().__init__("engine", vhost, QUICK, PROXYD_SSH__SOURCE_PENALTIES="false")
        # What is preloaded is loaded when a program starts.
        self._forked = False
        self._clock = self.folder / "clock"
        self.set("+0")
        self._env |= {
            "LD_PRELOAD": preloaded(),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, step: str) -> None:
        # Renamed, so that no half of it is ever read.
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{step}\n")
        Path(fresh).rename(self._clock)


@pytest.fixture(scope="module")
def site(rabbitmq: RabbitMQ, openssh_server: OpenSSHServer) -> Iterator[Site]:
    vhost = new_vhost(rabbitmq)
    made = Site(vhost, openssh_server)
    made.engine = WrongEngine(vhost)
    made.control = Node("control", vhost, PROXYD_SSH__LISTEN=f"127.0.0.1:{made.engine.port}")
    made.control.port = made.engine.port
    try:
        yield made.start()
    finally:
        made.remove()


def test_a_clock_that_is_set_is_told_and_changes_no_order(site: Site):
    engine = site.engine
    assert isinstance(engine, WrongEngine)
    with Typist(site.control.login("spooled")) as typist:
        typist.type()
        for step in (*STEPS, "+0"):
            engine.set(step)
            time.sleep(2)
            typist.type()
        typist.leave()
        # Receipts that were not believed are waited for during a minute, else.
        words = ("close_all_connections", "--vhost", site.vhost.name, "the clock was set")
        site.vhost.broker.ctl(*words)
        recording = site.control.recorded(seconds=60)
    assert recording.row["state"] == "finished"
    assert recording.export("output") == typist.expected
    assert recording.verify() == 0
    events = recording.events()
    times = [event["at_ms"] for event in events]
    assert all(before <= after for before, after in itertools.pairwise(times))
    assert times[-1] < HOUR_MS, "an hour was added to a session of seconds"
    measured = [event["step_ms"] for event in events if event["type"] == "clock_stepped"]
    expected = (*STEPS.values(), -sum(STEPS.values()))
    assert [round(one / 10_000) for one in measured] == [one // 10_000 for one in expected]
