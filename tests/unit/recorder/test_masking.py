"""What is typed without an echo leaves no trace; what is echoed is kept, byte for byte."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from recorder.events import ClientData, InputMasked, KnownEvent
from recorder.masking import AHEAD_GRACE_MS, GRACE_MS, HELD_LIMIT_BYTES, Masker

CORPUS = Path(__file__).parents[2] / "data" / "masking"
SCENES = sorted(path.stem for path in CORPUS.glob("*.json"))
LAGS_MS = (0, 40, 150)
"""The corpus was made without a network; outputs come this much later with one."""


class Typist:
    """Types and shows, a little time apart, and collects what is recorded."""

    def __init__(self) -> None:
        self.masker = Masker(2)
        self.at_ms = 0
        self.events: list[KnownEvent] = []

    def type(self, data: bytes, after_ms: int = 100) -> None:
        self.at_ms += after_ms
        self.events += self.masker.typed(self.at_ms, data)

    def show(self, data: bytes, after_ms: int = 5) -> None:
        self.at_ms += after_ms
        self.events += self.masker.shown(self.at_ms, data)

    def wait(self, for_ms: int) -> None:
        self.at_ms += for_ms
        self.events += self.masker.tick(self.at_ms)

    def echoed(self, text: bytes) -> None:
        for key in text:
            self.type(bytes([key]))
            self.show(bytes([key]))

    def blind(self, text: bytes) -> None:
        for key in text:
            self.type(bytes([key]))

    def close(self) -> None:
        self.events += self.masker.flush(self.at_ms + 1)

    @property
    def kept(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, ClientData))

    @property
    def masks(self) -> int:
        return sum(isinstance(event, InputMasked) for event in self.events)


def test_an_echoed_line_is_kept_when_it_ends_with_the_time_of_each_key():
    typist = Typist()
    typist.show(b"$ ")
    typist.echoed(b"ls")
    assert typist.events == []
    typist.type(b"\r")
    assert typist.events == [
        ClientData(at_ms=315, channel=2, data=b"l", held_ms=210),
        ClientData(at_ms=315, channel=2, data=b"s", held_ms=105),
        ClientData(at_ms=315, channel=2, data=b"\r", held_ms=0),
    ]


def test_a_line_without_echo_is_masked_and_only_its_end_is_kept():
    typist = Typist()
    typist.show(b"Hush> ")
    typist.blind(b"hunter2")
    typist.type(b"\r")
    typist.show(b"\r\n$ ")
    assert typist.events == [
        InputMasked(at_ms=typist.at_ms, channel=2),
        ClientData(at_ms=typist.at_ms, channel=2, data=b"\r", held_ms=5),
    ]


def test_a_line_without_echo_is_masked_by_time_alone():
    typist = Typist()
    typist.blind(b"secret")
    typist.type(b"\r")
    assert typist.masker.deadline_ms == typist.at_ms + GRACE_MS
    typist.wait(GRACE_MS - 1)
    assert typist.events == []
    typist.wait(1)
    assert (typist.kept, typist.masks) == (b"\r", 1)
    assert typist.masker.deadline_ms is None


def test_what_is_held_when_the_channel_closes_is_masked():
    typist = Typist()
    typist.blind(b"secr")
    typist.close()
    assert (typist.kept, typist.masks) == (b"", 1)


def test_an_echo_that_comes_after_the_line_ended_keeps_it():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"ls -la\r")
    typist.show(b"ls", 150)
    typist.show(b" -la\r\ntotal 0\r\n$ ")
    assert (typist.kept, typist.masks) == (b"ls -la\r", 0)


@pytest.mark.parametrize("password", [b"root", b"total", b"switched"])
def test_a_password_that_the_next_row_shows_by_chance_is_masked(password):
    typist = Typist()
    typist.show(b"Password: ")
    typist.blind(password)
    typist.type(b"\r")
    typist.show(b"\r\n" + password + b"\r\nroot@host:~# ")
    assert (typist.kept, typist.masks) == (b"\r", 1)


def test_a_password_that_the_prompt_holds_is_masked():
    typist = Typist()
    typist.show(b"Password for root: ")
    typist.type(b"root\r")
    typist.show(b"\r\nroot@host:~# ")
    assert (typist.kept, typist.masks) == (b"\r", 1)


@pytest.mark.parametrize("feedback", [b"*", "•".encode(), b"**"])
def test_stars_are_no_echo(feedback):
    typist = Typist()
    typist.show(b"[sudo] password for ann: ")
    for key in b"se*ret":
        typist.type(bytes([key]))
        typist.show(feedback)
    typist.type(b"\r")
    typist.show(b"\r\n")
    assert (typist.kept, typist.masks) == (b"\r", 1)


def test_output_of_another_program_is_no_echo_of_a_password():
    typist = Typist()
    typist.show(b"Password: ")
    for key in b"correct-horse":
        typist.type(bytes([key]))
        typist.show(b"64 bytes from 127.0.0.1: icmp_seq=4 ttl=64 time=0.03 ms\r\n")
    typist.type(b"\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"\r", 1)


@pytest.mark.parametrize("end", [b"\n", b"\x03", b"\x04", b"\x15", b"\x1a"])
def test_whatever_ends_a_blind_line_its_keys_are_masked(end):
    typist = Typist()
    typist.show(b"PIN: ")
    typist.blind(b"80491")
    typist.type(end)
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (end, 1)


def test_erased_keys_of_a_password_are_masked():
    typist = Typist()
    typist.show(b"Password: ")
    typist.blind(b"wrong" + b"\x7f" * 5)
    typist.type(b"\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"\r", 1)


def test_arrow_keys_before_a_command_do_not_cost_the_command():
    typist = Typist()
    typist.show(b"$ ")
    for _ in range(4):
        typist.type(b"\x1b[A")
        typist.show(b"\rls -la\x1b[K")
    typist.echoed(b" /tmp")
    typist.type(b"\r")
    assert (typist.kept, typist.masks) == (b"\x1b[A" * 4 + b" /tmp\r", 0)


def test_keys_without_text_are_kept():
    typist = Typist()
    typist.type(b"\x1b[A\x1bOB\x1b[1;5C\x1b[<0;3;4M\x1b[M !!\x1b]11;rgb:0/0/0\x07\x01\x05\r")
    assert typist.masks == 0
    assert typist.kept.endswith(b"\x01\x05\r")


def test_a_key_that_comes_in_two_reads_is_one_key():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"\x1b")
    typist.type(b"[")
    typist.type(b"A\r")
    assert (typist.kept, typist.masks) == (b"\x1b[A\r", 0)
    typist.type(b"\x1b")
    typist.close()
    assert typist.kept == b"\x1b[A\r\x1b"


def test_a_bracketed_paste_is_judged_by_its_text():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"\x1b[200~uname -a\x1b[201~")
    typist.show(b"\x1b[7muname -a\x1b[27m")
    typist.type(b"\r")
    assert (typist.kept, typist.masks) == (b"\x1b[200~uname -a\x1b[201~\r", 0)


def test_characters_of_several_bytes_count_as_one_key():
    typist = Typist()
    typist.show(b"code: ")
    typist.type("世界世界世界ab".encode())
    typist.show(b"ab")
    typist.type(b"\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"\r", 1)


def test_keys_of_a_pager_do_not_cost_the_command_behind_them():
    typist = Typist()
    for _ in range(6):
        typist.type(b"j")
        typist.show(b"\r\x1b[Kanother line\r\n:")
    typist.type(b"q")
    typist.show(b"\r\x1b[K$ ")
    typist.echoed(b"date")
    typist.type(b"\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"date\r", 1)


def test_a_secret_read_without_enter_is_left_out_of_the_line_it_leads():
    typist = Typist()
    typist.show(b"PIN: ")
    typist.blind(b"804915")
    typist.show(b"\r\n$ ")
    typist.echoed(b"echo a longer command")
    typist.type(b"\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"echo a longer command\r", 1)


def test_the_alternate_screen_is_not_judged():
    typist = Typist()
    typist.show(b"\x1b[?10")
    typist.show(b"49h\x1b[2J~\r\n~")
    typist.type(b"dd")
    assert typist.events == [ClientData(at_ms=typist.at_ms, channel=2, data=b"dd", held_ms=0)]
    typist.show(b"\x1b[?1049l$ ")
    typist.type(b"secret\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"dd\r", 1)


@pytest.mark.parametrize("mode", [b"47", b"1047", b"1049", b"25;1049"])
def test_every_way_to_the_alternate_screen_is_known(mode):
    typist = Typist()
    typist.show(b"\x1b[?" + mode + b"h")
    typist.type(b"j")
    assert typist.kept == b"j"


def test_a_prompt_for_a_password_on_the_alternate_screen_is_heeded():
    typist = Typist()
    typist.show(
        b"\x1b[?1049h\x1b[2J\x1b[5;1H[sudo] password for ann: \x1b[24;1H\x1b[7m[0] bash\x1b[m"
    )
    typist.blind(b"hunter2")
    typist.type(b"\r")
    typist.show(b"\r\nuid=0(root)")
    typist.type(b"i")
    assert (typist.kept, typist.masks) == (b"\ri", 1)


def test_lines_pasted_together_are_each_judged():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"su -c whoami\rroot\rdate -u\r")
    typist.show(b"su -c whoami\r\nPassword: ")
    typist.show(b"\r\nroot\r\n$ ")
    typist.show(b"date -u\r\nMon\r\n$ ", 100)
    assert (typist.kept, typist.masks) == (b"su -c whoami\r\rdate -u\r", 1)


def test_a_line_typed_ahead_waits_until_the_target_reads_it():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"make\rls\r")
    typist.show(b"make\r\n")
    typist.show(b"built\r\n$ ls\r\n", AHEAD_GRACE_MS - 1)
    assert (typist.kept, typist.masks) == (b"make\rls\r", 0)


def test_a_line_typed_ahead_that_nobody_reads_is_masked():
    typist = Typist()
    typist.type(b"make\rls\r")
    typist.show(b"make\r\n")
    typist.wait(AHEAD_GRACE_MS)
    assert (typist.kept, typist.masks) == (b"make\r\r", 1)


def test_a_long_paste_with_a_secret_in_it_loses_only_the_secret():
    typist = Typist()
    lines = [b"line %d of some length" % number for number in range(40)]
    typist.show(b"$ ")
    typist.type(b"\r".join([*lines[:20], b"s3cr3t", *lines[20:]]) + b"\r")
    typist.show(b"".join(line + b"\r\n> " for line in lines[:20]) + b"Password: ")
    typist.show(b"\r\n" + b"".join(line + b"\r\n> " for line in lines[20:]))
    assert typist.kept == b"\r".join([*lines[:20], b"", *lines[20:]]) + b"\r"
    assert typist.masks == 1


def test_what_is_held_is_bounded_and_masked_once_a_line():
    typist = Typist()
    for _ in range(40):
        typist.type(b"x" * 16384)
        assert typist.masker._held_bytes <= HELD_LIMIT_BYTES
    typist.type(b"\r")
    typist.wait(GRACE_MS)
    assert (typist.kept, typist.masks) == (b"\r", 1)


def test_a_line_longer_than_what_is_held_is_kept_if_it_is_echoed():
    typist = Typist()
    for _ in range(40):
        typist.type(b"x" * 16384)
        typist.show(b"x" * 16384)
    typist.type(b"\r")
    assert (len(typist.kept), typist.masks) == (40 * 16384 + 1, 0)


def test_an_echoed_megabyte_is_kept_and_costs_little():
    typist = Typist()
    block = b"a line of a text that somebody pastes\r" * 400
    began_s = time.thread_time()
    for _ in range(70):
        typist.type(block)
        typist.show(block.replace(b"\r", b"\r\n"))
    took_s = time.thread_time() - began_s
    typist.close()
    assert typist.kept == block * 70
    assert took_s < 0.5  # Of CPU, where 5 ms are usual: a loop over its bytes takes longer.


@dataclass(frozen=True)
class Outcome:
    leaked: list[str]
    lost: list[str]
    secrets: int
    lines: int


def outcome(name: str, lag_ms: int) -> Outcome:
    scene = json.loads((CORPUS / f"{name}.json").read_text())
    kept = b"".join(
        event.data for event in replay(scene["events"], lag_ms) if isinstance(event, ClientData)
    )
    lost, position = [], 0
    for line in scene["lines"]:
        found = kept.find(line.encode(), position)
        position = max(position, found + 1)
        lost += [line] if found < 0 else []
    leaked = [secret for secret in scene["secrets"] if shows(kept, secret.encode())]
    return Outcome(leaked, lost, len(scene["secrets"]), len(scene["lines"]))


def shows(kept: bytes, secret: bytes) -> bool:
    return any(secret[start : start + 3] in kept for start in range(len(secret) - 2))


def replay(events: list[tuple[int, str, str]], lag_ms: int) -> list[KnownEvent]:
    masker, kept, at_ms = Masker(0), list[KnownEvent](), 0
    delayed = sorted(
        (at + lag_ms * (way == "o"), number) for number, (at, way, _) in enumerate(events)
    )
    for at_ms, number in delayed:
        _, way, text = events[number]
        while masker.deadline_ms is not None and masker.deadline_ms < at_ms:
            kept += masker.tick(masker.deadline_ms)
        happened = masker.typed if way == "i" else masker.shown
        kept += happened(at_ms, text.encode("latin-1"))
    return kept + masker.flush(at_ms + 1)


@pytest.mark.parametrize("lag_ms", LAGS_MS)
@pytest.mark.parametrize("name", SCENES)
def test_no_secret_typed_into_a_real_program_is_kept(name, lag_ms):
    assert outcome(name, lag_ms).leaked == []


@pytest.mark.parametrize("lag_ms", LAGS_MS)
def test_of_the_lines_typed_into_real_programs_hardly_one_is_lost(lag_ms, capsys):
    outcomes = [outcome(name, lag_ms) for name in SCENES]
    secrets, lines = (
        sum(getattr(each, what) for each in outcomes) for what in ("secrets", "lines")
    )
    leaked = sum(len(each.leaked) for each in outcomes)
    lost = [line for each in outcomes for line in each.lost]
    with capsys.disabled():
        print(  # noqa: T201
            f"\nmasking, echo {lag_ms} ms late: {secrets - leaked} of {secrets} secrets masked"
            f" ({1 - leaked / secrets:.1%}), {lines - len(lost)} of {lines} ordinary lines kept"
            f" ({1 - len(lost) / lines:.1%}); not kept: {lost}"
        )
    assert len(lost) <= lines * 0.02


def test_a_paste_of_hundreds_of_lines_behind_prompts_is_kept():
    typist = Typist()
    lines = [b"entry %d" % number for number in range(300)]
    typist.show(b"$ ")
    typist.type(b"\r".join(lines) + b"\r")
    for start in range(0, 300, 50):
        typist.show(b"".join(line + b"\r\n> " for line in lines[start : start + 50]))
    assert (typist.kept, typist.masks) == (b"\r".join(lines) + b"\r", 0)


def test_a_later_line_that_is_echoed_ends_the_wait_for_an_earlier_one():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"make\rs3cr3t\rdate -u\r")
    typist.show(b"make\r\nbuilding\r\n$ date -u\r\nMon\r\n$ ")
    assert (typist.kept, typist.masks) == (b"make\r\rdate -u\r", 1)


def test_half_of_a_long_line_that_was_echoed_is_kept_when_room_runs_out():
    typist = Typist()
    typist.show(b"> ")
    typist.type(b"a" * 20_000)
    typist.show(b"a" * 20_000)
    typist.type(b"b" * 50_000)
    assert (typist.kept, typist.masks) == (b"a" * 20_000, 0)
    typist.close()
    assert (typist.kept, typist.masks) == (b"a" * 20_000, 1)


def test_the_row_of_a_prompt_between_a_line_and_its_supposed_echo_masks_it():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"su -c whoami\rroot\r")
    typist.show(b"su -c whoami\r\nPassword: \r\nroot\r\n$ ")
    assert (typist.kept, typist.masks) == (b"su -c whoami\r\r", 1)


def test_what_the_target_says_it_did_not_echo_is_masked_whatever_is_drawn():
    masker = Masker(0)
    masker.typed(0, b"s3cret-42")
    masker.hidden()
    # Another program prints most of the very same text meanwhile.
    events = masker.shown(5, b"s3cret") + masker.typed(10, b"\r") + masker.shown(500, b"\r\nok")
    assert [type(event) for event in events] == [InputMasked, ClientData]
    assert b"s3cret" not in b"".join(e.data for e in events if isinstance(e, ClientData))


def test_a_command_that_was_typed_ahead_while_nothing_echoed_is_kept_once_it_is_drawn():
    masker = Masker(0)
    masker.typed(0, b"sleep 1\r")
    events = masker.shown(1, b"ok> sleep 1\r\n")
    events += masker.typed(2, b"echo later\r")
    masker.hidden()
    events += masker.shown(5, b"ok> echo later\r\n") + masker.flush(400)
    assert (
        b"".join(e.data for e in events if isinstance(e, ClientData))
        == b"sleep 1\recho later\r"
    )


def test_the_command_before_a_hidden_line_is_not_hidden_with_it():
    masker = Masker(0)
    masker.typed(0, b"a command that wraps\r")
    masker.shown(1, b"a command that w \rraps\r\nPassword: ")
    masker.typed(50, b"s3cret\r")
    masker.hidden()
    events = masker.flush(60)
    kept = b"".join(event.data for event in events if isinstance(event, ClientData))
    assert b"s3cret" not in kept
    assert sum(isinstance(event, InputMasked) for event in events) == 1


def test_a_target_that_hides_nothing_typed_is_not_believed():
    masker = Masker(0)
    masker.hidden()
    events = masker.typed(0, b"ls") + masker.shown(1, b"ls") + masker.typed(2, b"\r")
    events += masker.shown(3, b"\r\n")
    assert b"".join(e.data for e in events if isinstance(e, ClientData)) == b"ls\r"
