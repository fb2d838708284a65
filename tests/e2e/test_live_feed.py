"""`session watch` of a session on another node, with somebody between who reads and writes."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pika
import pytest
from peers.needed import environment, wait_until
from peers.recording import Recording
from peers.site import Site, Typist
from peers.terminal import OpenTerminal, Terminal

from bus import topology

FLOOD_BYTES = 12_000_000
"""Much more than the node holds for a watcher."""


class Eavesdropper:
    """Whoever may administer the broker: hears each live feed, and can say what he wants."""

    def __init__(self, channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
        self._channel = channel
        self._queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(self._queue, topology.LIVE, "#")
        self.heard: list[tuple[str, bytes]] = []

    def listen(self) -> list[tuple[str, bytes]]:
        """Every message so far, with its routing key."""
        while True:
            method, _properties, body = self._channel.basic_get(self._queue, auto_ack=True)
            if method is None:
                return self.heard
            self.heard.append((str(method.routing_key), body or b""))

    def hears(self, typist: Typist) -> bool:
        """Type something; say whether a feed of it was heard, once one has begun."""
        typist.type()
        return bool(self.listen())

    def say(self, key: str, body: bytes) -> None:
        self._channel.basic_publish(topology.LIVE, key, body)


@pytest.fixture
def eavesdropper(site: Site) -> Iterator[Eavesdropper]:
    with pika.BlockingConnection(site.vhost.parameters()) as connection:
        yield Eavesdropper(connection.channel())


@contextmanager
def watched(site: Site, open_terminal: OpenTerminal) -> Iterator[tuple[Typist, Terminal]]:
    """A session that somebody types in, and somebody else watches."""
    with Typist(site.control.login("web")) as typist:
        typist.type()
        live: Recording = site.control.live()
        watcher = open_terminal([*site.control.argv, "session", "watch", live.id])
        watcher.expect("got line 1", seconds=20)
        typist.type()
        watcher.expect("got line 2", seconds=20)
        yield typist, watcher


def leave(site: Site, typist: Typist) -> None:
    typist.leave()
    assert site.control.recorded().row["complete"]


def test_a_watcher_sees_the_session_and_who_is_between_sees_nothing(
    site: Site, open_terminal: OpenTerminal, eavesdropper: Eavesdropper
):
    with watched(site, open_terminal) as (typist, watcher):
        wait_until(lambda: eavesdropper.hears(typist), "no feed", seconds=20)
        watcher.expect(f"got line {typist.lines}")
        heard = eavesdropper.listen()
        assert not any(b"got line" in body or b"line " in body for _, body in heard)
        leave(site, typist)
        assert watcher.wait() == 0
        watcher.expect("the session ended")


def test_a_forged_message_ends_the_watch_and_not_the_session(
    site: Site, open_terminal: OpenTerminal, eavesdropper: Eavesdropper
):
    with watched(site, open_terminal) as (typist, watcher):
        wait_until(lambda: eavesdropper.hears(typist), "no feed", seconds=20)
        key, message = eavesdropper.listen()[-1]
        eavesdropper.say(key, message[:9] + b"you are watching a lie")
        assert watcher.wait() == 5
        watcher.expect("altered on its way; watch again")
        assert b"a lie" not in watcher.output
        typist.type()
        leave(site, typist)


def test_a_watcher_who_stands_still_is_left_behind_and_holds_up_nobody(
    site: Site, open_terminal: OpenTerminal
):
    flood = f"echo ready; read line; head -c {FLOOD_BYTES} /dev/zero | tr '\\0' x"
    login = site.control.login("web")
    with subprocess.Popen(
        [*login.ssh(), flood],
        env=environment(**login.env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as user:
        live = site.control.live()
        watcher = open_terminal([*site.control.argv, "session", "watch", live.id])
        watcher.expect("ready", seconds=20)
        os.kill(watcher.pid, signal.SIGSTOP)
        shown, _ = user.communicate(b"go\n", timeout=80)
        os.kill(watcher.pid, signal.SIGCONT)
    assert len(shown) == len(b"ready\n") + FLOOD_BYTES
    assert watcher.wait(seconds=60) == 5
    assert re.search(rb"too far behind|lost \d+ bytes", watcher.output[-300:])
    assert site.control.recorded(seconds=40).row["complete"]
