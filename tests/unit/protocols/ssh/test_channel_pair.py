from collections.abc import Callable

import pytest

from protocols.ssh.channel_pair import Pair
from protocols.ssh.channels import Channel, Side
from recorder.events import Stream


class Wire:
    """A channel that notes what it is told, in order."""

    def __init__(self, said: list[object]) -> None:
        self.said = said
        self.queued_bytes = 0

    def write(self, data: bytes, datatype: int | None = None) -> None:
        self.said.append((data, datatype))

    def write_eof(self) -> None:
        self.said.append("eof")

    def close(self) -> None:
        self.said.append("close")

    def exit(self, status: int) -> None:
        self.said.append(("exit", status))

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def get_write_buffer_size(self) -> int:
        return self.queued_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del low
        self.said.append(("limit", high))


class Ear:
    """A tap that keeps what it hears among what the channels do; `lost` makes it refuse."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.lost = False

    def carries(self, channel: Channel, stream: Stream, data: bytes) -> bool:
        self.said.append((channel.ident, stream, data))
        return not self.lost

    def closed(self, pair: Pair) -> None:
        self.said.append("closed")


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def pair(ear: Ear) -> Pair:
    return Pair(Channel(0, "session", (0, 0)), ear)


@pytest.fixture
def start(ear: Ear, pair: Pair) -> Callable[[Side], Wire]:
    def starts(side: Side) -> Wire:
        wire = Wire(ear.said)
        pair.halves[side].connection_made(wire)
        pair.halves[side].session_started()
        return wire

    return starts


def test_data_is_recorded_and_then_forwarded(pair: Pair, ear: Ear, start):
    start(Side.CLIENT)
    start(Side.TARGET)
    pair.halves[Side.TARGET].data_received(b"oops", 1)
    assert ear.said == [(0, Stream.TARGET_ERROR, b"oops"), (b"oops", 1)]


def test_nothing_is_forwarded_that_could_not_be_recorded(pair: Pair, ear: Ear, start):
    start(Side.CLIENT)
    start(Side.TARGET)
    ear.lost = True
    pair.halves[Side.CLIENT].data_received(b"rm", None)
    assert ear.said == [(0, Stream.CLIENT, b"rm")]


def test_what_comes_before_the_target_is_there_waits_and_stops_the_client(
    pair: Pair, ear: Ear, start
):
    start(Side.CLIENT)
    pair.halves[Side.CLIENT].data_received(b"early", None)
    pair.halves[Side.CLIENT].eof_received()
    assert ear.said == [(0, Stream.CLIENT, b"early"), "pause"]
    start(Side.TARGET)
    assert ear.said[2:] == [(b"early", None), "eof", "resume"]


def test_a_slow_peer_stops_the_other_leg(pair: Pair, ear: Ear, start):
    start(Side.CLIENT)
    start(Side.TARGET)
    pair.halves[Side.CLIENT].pause_writing()
    pair.halves[Side.TARGET].pause("recording")
    pair.halves[Side.CLIENT].resume_writing()
    assert ear.said == ["pause", "pause"]
    pair.halves[Side.TARGET].resume("recording")
    assert ear.said[-1] == "resume"


def test_the_exit_status_waits_for_the_last_byte(pair: Pair, ear: Ear, start):
    user = start(Side.CLIENT)
    start(Side.TARGET)
    user.queued_bytes = 48 * 1024
    pair.ended = lambda chan: chan.exit(7)
    pair.halves[Side.TARGET].connection_lost(None)
    assert ear.said == [("limit", 0)]
    user.queued_bytes = 0
    pair.halves[Side.CLIENT].resume_writing()
    assert ear.said[1:] == [("exit", 7)]


def test_a_channel_is_closed_once_both_halves_are_gone(pair: Pair, ear: Ear, start):
    start(Side.CLIENT)
    start(Side.TARGET)
    pair.halves[Side.CLIENT].connection_lost(None)
    assert ear.said == ["close"]
    pair.halves[Side.TARGET].connection_lost(None)
    pair.halves[Side.TARGET].connection_lost(None)
    assert ear.said == ["close", "closed"]


def test_the_status_of_a_command_that_was_over_at_once_is_not_lost(pair: Pair, ear: Ear, start):
    pair.ended = lambda chan: chan.exit(5)
    target, client = pair.halves[Side.TARGET], pair.halves[Side.CLIENT]
    start(Side.TARGET)
    target.data_received(b"hello\n", None)
    target.connection_lost(None)
    client.connection_made(Wire(ear.said))
    client.session_started()
    told = [said for said in ear.said if said in [(b"hello\n", None), ("exit", 5), "close"]]
    assert told == [(b"hello\n", None), ("exit", 5)]
