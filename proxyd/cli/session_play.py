"""`proxyd session play`: a recording in the operator's terminal."""

import shutil
import sys
import time
from collections.abc import Iterator

import click

from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.keyboard import Keyboard, keyboard
from proxyd.cli.parameters import Position, position_text
from proxyd.cli.stored import StoredSession, find
from recorder.events import KnownEvent
from recorder.replay.asciicast import PlayedTerminal
from recorder.replay.player import Player

IDLE_LIMIT_MS = 2000
SEEK_MS = 5000
BELOW = b"\x1b[999;1H\r\n"
"""Goes under whatever is on the screen, however large it is."""
_LONGEST_WAIT_S = 3600.0


@click.command()
@click.argument("session_id", metavar="ID")
@click.option(
    "--speed", type=click.FloatRange(0.0625, 64), default=1.0, help="How fast. Default: 1."
)
@click.option(
    "--skip-idle", is_flag=True, help="Wait at most two seconds where nothing happens."
)
@click.option("--at", "at_ms", type=Position(), default=0, help="From: 90, 1:30, 1:02:03, +2m.")
@click.option("--channel", type=int, help="The channel to play. Default: the first terminal.")
@pass_invocation
def play(
    invocation: Invocation,
    session_id: str,
    *,
    speed: float,
    skip_idle: bool,
    at_ms: int,
    channel: int | None,
) -> None:
    """Play a recording in the terminal.

    Space pauses, + and - change the speed, arrows go five seconds back and forth, q quits.
    Where the output is no terminal, everything is printed at once.
    """
    with invocation.operator() as operator:
        session = find(operator, session_id)
        terminal = session.terminal(channel)
        reader = _Reader(session)
        player = Player(
            reader.events,
            terminal,
            speed=speed,
            idle_limit_ms=IDLE_LIMIT_MS if skip_idle else None,
        )
        if sys.stdout.isatty():
            tell_size(terminal)
            with keyboard() as keys:
                _play(player, keys, at_ms)
        else:
            _print(player, at_ms)
    if reader.broken is not None and not session.live:
        click.echo(f"proxyd: warning: the recording has a hole: {reader.broken}", err=True)


class _Reader:
    """Begins the recording as often as it is wound back."""

    def __init__(self, session: StoredSession) -> None:
        self._session = session
        self.broken: str | None = None

    def events(self) -> Iterator[KnownEvent]:
        recording = self._session.recording()
        yield from recording.events()
        self.broken = recording.broken


def tell_size(terminal: PlayedTerminal) -> None:
    """Say so where the recorded terminal does not fit into this one."""
    here = shutil.get_terminal_size()
    if terminal.columns > here.columns or terminal.rows > here.lines:
        click.echo(
            f"proxyd: the recorded terminal has {terminal.columns}x{terminal.rows} characters "
            f"and this one {here.columns}x{here.lines}: make it larger to see everything",
            err=True,
        )


def draw(drawing: bytes) -> None:
    """Send `drawing` to the terminal at once."""
    sys.stdout.buffer.write(drawing)
    sys.stdout.buffer.flush()


def _print(player: Player, at_ms: int) -> None:
    if at_ms:
        draw(player.seek(at_ms))
    while not player.over:
        draw(player.pass_time(_LONGEST_WAIT_S))


def _play(player: Player, keys: Keyboard, at_ms: int) -> None:
    try:
        draw(player.seek(at_ms))
        before_s = time.monotonic()
        while not player.over:
            key = keys.read(player.wait_s)
            now_s = time.monotonic()
            draw(player.pass_time(now_s - before_s))
            before_s = now_s
            if key == "q":
                break
            draw(_pressed(player, key))
            if key in {"left", "right"}:
                # Going far back takes a while, which is no time of the recording.
                before_s = time.monotonic()
    finally:
        draw(player.end() + BELOW)
        click.echo(f"proxyd: stopped at {position_text(round(player.position_ms))}", err=True)


def _pressed(player: Player, key: str | None) -> bytes:
    match key:
        case "space":
            player.paused = not player.paused
        case "+" | "up":
            player.change_speed(2)
        case "-" | "down":
            player.change_speed(1 / 2)
        case "right":
            return player.seek(player.position_ms + SEEK_MS)
        case "left":
            return player.seek(player.position_ms - SEEK_MS)
        case _:
            pass
    return b""
