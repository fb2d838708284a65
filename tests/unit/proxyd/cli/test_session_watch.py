import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from samples.chunks import SESSION
from samples.operator import NodeInMemory, summary
from samples.screens import screen
from samples.terminal_session import chunks_of, terminal_events

from control.live_requests import FollowSession, LiveFrames
from control.requests import FetchChunks, OperatorRequest
from proxyd.cli import main
from proxyd.cli.invocation import Invocation
from proxyd.cli.session_play import BELOW
from recorder.events import encode_burst


def watch(node: NodeInMemory) -> Result:
    invocation = Invocation(open_operator=node.open)
    return CliRunner().invoke(main, ["session", "watch", str(SESSION)], obj=invocation)


def live(shown: bytes, stored: int, heard_from: int) -> NodeInMemory:
    """Return a node with a session of which some chunks are stored and some frames come."""
    events = terminal_events(shown)
    node = NodeInMemory()
    node.store(summary(state="live"), chunks_of(events, size=6)[:stored])
    node.live[SESSION] = [encode_burst([event]) for event in events[heard_from:]]
    return node


def test_a_live_session_is_watched_to_its_end() -> None:
    result = watch(live(b"x" * 97 + b"y" * 97, stored=1, heard_from=6))
    assert result.exit_code == 0
    assert "".join(screen(result.stdout_bytes.removesuffix(BELOW))) == "x" * 97 + "y" * 97
    assert "proxyd: the session ended" in result.stderr


def test_what_acts_outside_the_screen_is_not_shown() -> None:
    result = watch(live(b"\x1b]52;c;eA==\x07shown", stored=0, heard_from=0))
    assert "shown" in result.stdout
    assert "52;c" not in result.stdout


def test_a_session_that_is_over_is_not_watched() -> None:
    node = live(b"", stored=1, heard_from=0)
    node.sessions[SESSION] = summary(state="finished")
    result = watch(node)
    assert result.exit_code == 1
    assert "use `session play`" in result.stderr


class Slow(NodeInMemory):
    """Its feed waits until somebody has asked for the chunk that is stored later."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def stream(self, request: OperatorRequest) -> Iterator[object]:
        match request:
            case FetchChunks():
                self.asked += 1
                most = 1 if self.asked < 3 else None
                yield from list(super().stream(request))[
                    : most and most - request.from_sequence
                ]
            case FollowSession():
                first, *rest = super().stream(request)
                yield first
                while self.asked < 4:
                    time.sleep(0.01)
                time.sleep(0.1)
                yield from rest
            case _:
                yield from super().stream(request)


def test_what_was_shown_between_the_chunks_and_the_feed_arrives_with_the_next_chunk() -> None:
    events = terminal_events(b"a" * 97 + b"b" * 97 + b"c" * 97 + b"d" * 97)
    node = Slow()
    node.store(summary(state="live"), chunks_of(events, size=6)[:2])
    node.live[SESSION] = [encode_burst([event]) for event in events[7:]]
    result = watch(node)
    assert result.exit_code == 0
    assert "".join(screen(result.stdout_bytes.removesuffix(BELOW))) == "".join(
        c * 97 for c in "abcd"
    )


class Ending(NodeInMemory):
    """The feed breaks off without the session's end, which is stored by then."""

    def stream(self, request: OperatorRequest) -> Iterator[object]:
        if isinstance(request, FollowSession):
            self.store(summary(), chunks_of(terminal_events(b"the end")))
            yield from list[LiveFrames]()
        else:
            yield from super().stream(request)


def test_a_feed_that_breaks_off_is_made_up_for_from_the_store() -> None:
    node = Ending()
    node.store(summary(state="live"), [])
    result = watch(node)
    assert result.exit_code == 0
    assert "the end" in result.stdout


@pytest.mark.parametrize("channel", ["0", "5"])
def test_a_channel_can_be_chosen(channel: str) -> None:
    node = live(b"shown", stored=0, heard_from=0)
    invocation = Invocation(open_operator=node.open)
    arguments = ["session", "watch", str(SESSION), "--channel", channel]
    result = CliRunner().invoke(main, arguments, obj=invocation)
    assert ("shown" in result.stdout) == (channel == "0")
