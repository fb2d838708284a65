"""Lines that come together, pasted or typed ahead, are each judged; what is held is bounded."""

import time

from samples.typist import Typist

from recorder.masking import AHEAD_GRACE_MS, GRACE_MS, HELD_LIMIT_BYTES


def test_a_bracketed_paste_is_judged_by_its_text():
    typist = Typist()
    typist.show(b"$ ")
    typist.type(b"\x1b[200~uname -a\x1b[201~")
    typist.show(b"\x1b[7muname -a\x1b[27m")
    typist.type(b"\r")
    assert (typist.kept, typist.masks) == (b"\x1b[200~uname -a\x1b[201~\r", 0)


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
