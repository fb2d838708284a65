"""Two engines in networks of their own: one is parted from the broker, the other is not."""

import dataclasses
import datetime as dt
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from peers.namespace import HOST, Namespace
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.rabbitmq import RabbitMQ, VirtualHost, new_vhost
from peers.recording import Json, Recording
from peers.site import LATEST_S, QUICK, Node, Site, Typist

pytestmark = pytest.mark.peers


@dataclasses.dataclass(frozen=True)
class Through(VirtualHost):
    """A virtual host as it is reached from another network."""

    def url_of(self, user: str) -> str:
        return super().url_of(user).replace("127.0.0.1", HOST)


class FarEngine(Node):
    """An engine in a network of its own."""

    def __init__(self, vhost: VirtualHost) -> None:
        self.network = Namespace()
        through = Through(vhost.broker, vhost.name)
        super().__init__("engine", through, QUICK, PROXYD_SSH__SOURCE_PENALTIES="false")
        self._env["PROXYD_SSH__LISTEN"] = f"{self.network.address}:{self.port}"
        self.broker_port = vhost.broker.port

    @property
    def argv(self) -> list[str]:
        return [*self.network.before, *super().argv]

    def typist(self, site: Site, use: str = "web") -> Typist:
        """Somebody who logs on at this engine."""
        here = ("-o", f"HostName={self.network.address}", "-p", str(self.port))
        return Typist(site.control.login(use), *here)

    def remove(self) -> None:
        super().remove()
        self.network.remove()


@pytest.fixture(scope="module")
def engines(
    rabbitmq: RabbitMQ, openssh_server: OpenSSHServer
) -> Iterator[tuple[Site, FarEngine, FarEngine]]:
    vhost = new_vhost(rabbitmq)
    site = Site(vhost, openssh_server)
    parted, other = FarEngine(vhost), FarEngine(vhost)
    site.engine = parted
    try:
        site.start()
        other.cli("init", "--engine")
        site.enrol(other)
        other.start()
        for name, on_loss in (("web", "require"), ("spooled", "spool")):
            words = ("--host", HOST, "--on-loss", on_loss)
            site.control.cli("secret", "edit", name, *words)
        yield site, parted, other
    finally:
        other.remove()
        site.remove()


def recording_at(site: Site, engine: FarEngine, seconds: float = 60) -> Recording:
    """What an engine recorded last, once all of it is stored."""
    name = (engine.state / "engine.id").read_text().strip()

    def last() -> Json:
        return [row for row in site.control.sessions() if row["engine"] == name][-1]

    wait_until(lambda: last()["complete"], "not all is stored", seconds=seconds, every=0.3)
    return Recording(site.control, last())


def cut(engine: FarEngine) -> float:
    """Part it from the broker; return when."""
    cut_s = time.monotonic()
    engine.network.cut(engine.broker_port)
    return cut_s


def type_until(end_s: float, *typists: Typist) -> None:
    """Both go on working, a second to a line."""
    while (left_s := end_s - time.monotonic()) > 0:
        for typist in typists:
            typist.type()
        time.sleep(min(1.0, left_s))


def test_nine_seconds_without_the_broker_are_sat_out_and_ten_end_the_session(
    engines: tuple[Site, FarEngine, FarEngine],
):
    site, parted, other = engines
    with parted.typist(site) as here, other.typist(site) as there:
        here.type()
        there.type()
        cut_s = cut(parted)
        # Not once enough was typed: what is typed takes longer than its pauses.
        healing = threading.Timer(cut_s + 9 - time.monotonic(), parted.network.heal)
        healing.start()
        type_until(cut_s + 9, here, there)
        healing.join()
        time.sleep(4)
        here.type()
        assert here.process.poll() is None, "the session did not survive nine seconds"

        cut_at, cut_s = dt.datetime.now(dt.UTC), cut(parted)
        type_until(cut_s + 6, here, there)
        here.wait_until_thrown_out()
        parted.network.heal()
        assert b"can no longer be recorded" in here.seen
        there.type()
        there.leave()
        cut_off, untouched = recording_at(site, parted), recording_at(site, other)
    assert cut_off.row["end_reason"] == "recording_lost"
    sys.stderr.write(f"parted: ended after {cut_off.ended_s_after(cut_at):.2f} s\n")
    assert 10 <= cut_off.ended_s_after(cut_at) <= LATEST_S
    assert cut_off.export("output").startswith(here.expected)
    assert cut_off.verify() == 0
    assert untouched.row["state"] == "finished"
    assert untouched.export("output") == there.expected


def test_a_bad_line_to_the_broker_delays_recordings_and_loses_none(
    engines: tuple[Site, FarEngine, FarEngine],
):
    """Of one engine's packets three of ten are lost; the other's connections are reset."""
    site, lossy, torn = engines
    with lossy.typist(site, "spooled") as here, torn.typist(site, "spooled") as there:
        here.type()
        there.type()
        lossy.network.thin(lossy.broker_port, 30)
        for _ in range(4):
            torn.network.reset(torn.broker_port)
            time.sleep(0.5)
            torn.network.heal()
            time.sleep(1.5)
            here.type()
            there.type()
        here.leave()
        there.leave()
        # Still lossy: what there is to say gets through all the same, sooner or later.
        recordings = recording_at(site, torn), recording_at(site, lossy, seconds=60)
        lossy.network.heal()
    for recording, typist in zip(recordings, (there, here), strict=True):
        assert recording.row["state"] == "finished"
        assert recording.export("output") == typist.expected
        assert recording.verify() == 0
