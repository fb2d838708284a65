import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from samples.chunks import SESSION, three_chunks
from samples.operator import NodeInMemory, summary
from samples.terminal_session import chunks_of, terminal_events
from samples.typescripts import TYPESCRIPTS

from proxyd.cli import main
from proxyd.cli.invocation import Invocation
from recorder.replay.screen_filter import ScreenFilter

TESTS = Path(__file__).parents[3]
PLAYS = """
import sys
sys.path[:0] = sys.argv[1:3]
from samples.operator import NodeInMemory, summary
from samples.terminal_session import chunks_of, terminal_events
from proxyd.cli import main
from proxyd.cli.invocation import Invocation

node = NodeInMemory()
node.store(summary(), chunks_of(terminal_events(b"one " * 200 + b"\\x1b]0;title\\x07two")))
main(["session", "play", "0000", *sys.argv[3:]], obj=Invocation(open_operator=node.open))
"""


def node_with(shown: bytes) -> NodeInMemory:
    node = NodeInMemory()
    node.store(summary(), chunks_of(terminal_events(shown)))
    return node


def play(node: NodeInMemory, *arguments: str) -> Result:
    invocation = Invocation(open_operator=node.open)
    return CliRunner().invoke(
        main, ["session", "play", str(SESSION), *arguments], obj=invocation
    )


@pytest.mark.parametrize("shown", TYPESCRIPTS.values(), ids=TYPESCRIPTS.keys())
def test_into_a_pipe_everything_is_printed_at_once_and_filtered(shown: bytes) -> None:
    assert play(node_with(shown)).stdout_bytes == ScreenFilter().feed(shown)


def test_from_a_moment_on_it_begins_with_the_screen_of_that_moment() -> None:
    printed = play(node_with(b"x" * 97 + b"y" * 97 + b"z" * 97), "--at", "0:00.25").stdout
    assert printed.startswith("\x1b[0m")
    assert printed.endswith("z" * 97)


def test_a_session_without_a_channel_has_nothing_to_play() -> None:
    node = NodeInMemory()
    node.store(summary(), three_chunks())
    result = play(node)
    assert result.exit_code == 3
    assert "opened no session channel" in result.stderr


def test_a_hole_is_played_up_to_and_told() -> None:
    node = node_with(b"x" * 2000)
    del node.chunks[SESSION][1]
    result = play(node)
    assert result.stdout == "x" * 97 * 5
    assert "the recording has a hole: behind chunk 0" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["--speed", "0"], ["--speed", "1000"], ["--at", "soon"], ["--at", "-1"]]
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str]) -> None:
    assert play(node_with(b""), *arguments).exit_code == 2


class Terminal:
    """A person at a terminal in which a recording is played."""

    def __init__(self, *arguments: str) -> None:
        self._person, ours = pty.openpty()
        command = [sys.executable, "-c", PLAYS, str(TESTS), str(TESTS.parent), *arguments]
        self.playing = subprocess.Popen(command, stdin=ours, stdout=ours, stderr=ours)
        os.close(ours)
        self.seen = b""

    def press(self, keys: bytes) -> None:
        os.write(self._person, keys)

    def see(self, text: bytes, within_s: float = 20) -> None:
        """Wait until `text` is on the terminal."""
        deadline = time.monotonic() + within_s
        while text not in self.seen and time.monotonic() < deadline:
            if select.select([self._person], [], [], 0.1)[0]:
                self.seen += self._read()
        assert text in self.seen

    def leave(self) -> int:
        status = self.playing.wait(20)
        os.close(self._person)
        return status

    def _read(self) -> bytes:
        try:
            return os.read(self._person, 65536)
        except OSError:
            return b""


def test_in_a_terminal_it_plays_to_the_end() -> None:
    terminal = Terminal("--speed", "8")
    terminal.see(b"two")
    terminal.see(b"proxyd: stopped at")
    assert b"title" not in terminal.seen
    assert terminal.leave() == 0


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "Ctrl-C"])
def test_a_paused_recording_stands_still_and_can_be_left(key: bytes) -> None:
    terminal = Terminal("--speed", "0.25", "--at", "0.1")
    terminal.see(b"one")
    terminal.press(b" ")
    terminal.press(key)
    terminal.see(b"proxyd: stopped at 0:00.")
    assert b"two" not in terminal.seen
    assert terminal.leave() == 0


def test_an_arrow_jumps() -> None:
    terminal = Terminal("--speed", "0.0625", "--at", "0.1")
    terminal.see(b"one")
    terminal.press(b"\x1b[C")
    terminal.see(b"two")
    assert terminal.leave() == 0
