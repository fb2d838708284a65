from collections.abc import Iterator

import pytest
from samples.screens import screen
from samples.terminal_session import STEP_MS, terminal_events
from samples.typescripts import COLUMNS, ROWS, TYPESCRIPTS

from recorder.events import KnownEvent, NoticeShown, TargetData
from recorder.replay.asciicast import PlayedTerminal
from recorder.replay.player import FASTEST, MOST_BYTES, Player

XTERM = PlayedTerminal(channel=0, columns=COLUMNS, rows=ROWS, terminal="xterm")


def shown(at_ms: int, data: bytes) -> TargetData:
    return TargetData(at_ms=at_ms, channel=0, data=data)


def player(
    events: list[KnownEvent],
    *,
    terminal: PlayedTerminal = XTERM,
    speed: float = 1,
    idle_limit_ms: int | None = None,
) -> Player:
    def begin() -> Iterator[KnownEvent]:
        return iter(events)

    return Player(begin, terminal, speed=speed, idle_limit_ms=idle_limit_ms)


def played_to(playing: Player, at_ms: int) -> bytes:
    """Play until a moment, in steps; return everything that was drawn."""
    drawn = b""
    while not playing.over and playing.position_ms < at_ms:
        drawn += playing.pass_time(min(0.05, (at_ms - playing.position_ms) / 1000))
    return drawn


TWO: list[KnownEvent] = [shown(1000, b"one"), shown(3000, b"two")]


def test_nothing_is_drawn_before_its_time() -> None:
    playing = player(TWO)
    assert playing.wait_s == 1
    assert playing.pass_time(0.5) == b""
    assert playing.wait_s == 0.5
    assert playing.pass_time(0.5) == b"one"
    assert playing.pass_time(2) == b"two"
    assert playing.over


def test_twice_the_speed_is_half_the_wait() -> None:
    playing = player(TWO, speed=2)
    assert playing.wait_s == 0.5
    assert playing.pass_time(1.5) == b"onetwo"


def test_the_speed_has_bounds() -> None:
    playing = player(TWO)
    for _ in range(20):
        playing.change_speed(2)
    assert playing.speed == FASTEST


def test_while_paused_no_time_passes() -> None:
    playing = player(TWO)
    playing.paused = True
    assert (playing.wait_s, playing.pass_time(9)) == (None, b"")
    playing.paused = False
    assert playing.wait_s == 1


def test_idle_time_is_cut_short() -> None:
    playing = player([shown(0, b"one"), shown(600_000, b"two")], idle_limit_ms=2000)
    assert playing.pass_time(0) == b"one"
    assert playing.wait_s == 2
    assert playing.pass_time(2) == b"two"


def test_a_torrent_is_drawn_in_pieces() -> None:
    playing = player([shown(0, b"x" * 1000)] * 1000)
    assert MOST_BYTES <= len(playing.pass_time(1)) < MOST_BYTES + 1000
    assert playing.wait_s == 0


def test_other_channels_are_not_drawn() -> None:
    playing = player([TargetData(at_ms=0, channel=1, data=b"other"), *TWO])
    assert playing.pass_time(10) == b"onetwo"


def test_without_a_terminal_lines_begin_at_the_left() -> None:
    playing = player([shown(0, b"a\nb")], terminal=PlayedTerminal(channel=0))
    assert playing.pass_time(0) == b"a\r\nb"


def test_what_proxyd_told_the_user_is_drawn_as_the_user_saw_it() -> None:
    playing = player([NoticeShown(at_ms=0, channel=0, text="five minutes\x1b[6n left")])
    assert playing.pass_time(0) == b"\r\nfive minutes left\r\n"


def test_what_acts_outside_the_screen_is_not_drawn() -> None:
    playing = player([shown(0, b"<\x1b]52;c;"), shown(0, b"eA==\x07>")])
    assert playing.pass_time(0) == b"<>"


@pytest.mark.parametrize("name", TYPESCRIPTS)
@pytest.mark.parametrize("step", [1, 7, 13, 40])
def test_a_jump_shows_what_playing_until_there_shows(name: str, step: int) -> None:
    events = terminal_events(TYPESCRIPTS[name])
    at_ms = 100 + min(step * STEP_MS, events[-1].at_ms - 200)
    there = played_to(player(events), at_ms)
    assert screen(player(events).seek(at_ms)) == screen(there)


@pytest.mark.parametrize("name", TYPESCRIPTS)
def test_after_a_jump_back_the_rest_plays_as_before(name: str) -> None:
    events = terminal_events(TYPESCRIPTS[name])
    end_ms = events[-1].at_ms
    straight = played_to(player(events), end_ms)
    playing = player(events)
    back = [played_to(playing, end_ms // 2), playing.seek(end_ms // 4)]
    assert screen(*back, played_to(playing, end_ms)) == screen(straight)


def test_no_moment_is_before_the_beginning() -> None:
    playing = player(TWO)
    playing.pass_time(2)
    playing.seek(-5000)
    assert (playing.position_ms, playing.wait_s) == (0, 1)


def test_a_jump_behind_the_end_shows_the_end() -> None:
    playing = player(TWO)
    assert screen(playing.seek(99_000))[0] == "onetwo"
    assert playing.over


def test_the_terminal_is_put_back_at_the_end() -> None:
    playing = player([shown(0, b"\x1b[?1049h\x1b[?25l")])
    playing.pass_time(0)
    assert playing.end() == b"\x1b[0m\x1b[?1049l\x1b[?25h"
