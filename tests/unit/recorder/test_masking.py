"""What is typed without an echo leaves no trace; what is echoed is kept, byte for byte."""

import pytest
from samples.typist import Typist

from recorder.events import ClientData, InputMasked
from recorder.masking import GRACE_MS, Masker


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
