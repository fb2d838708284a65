"""Whatever is typed and shown: nothing is lost but what a rule forbids, nor overtaken."""

import avt
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.command_rules import CommandRule, RuleAction
from protocols.ssh.commands.guard import LIMIT_MS, Guard
from protocols.ssh.commands.piped_guard import PipedGuard
from protocols.ssh.commands.row import Row
from protocols.ssh.commands.rules import Rules

NONE = Rules([CommandRule(name="r", pattern="never-typed", action=RuleAction.NOTICE)])
SOME = Rules([CommandRule(name="r", pattern="wipe", action=RuleAction.NOTICE)])
HOLD = Rules([CommandRule(name="r", pattern="wipe", action=RuleAction.HOLD)])

keys = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b"\r", b"ls -la\r", b"\x1b[A", b"\x1b", b"\x03", b"wipe\r", b"\x1b[200~a\rb\x1b[201~"]
    ),
)
steps = st.lists(
    st.tuples(st.sampled_from(["typed", "shown", "echoed", "tick"]), keys, st.integers(0, 900)),
    max_size=40,
)


def play(guard: Guard, steps: list[tuple[str, bytes, int]]) -> tuple[bytes, bytes]:
    sent, passed, at_ms = b"", b"", 0
    for what, data, pause_ms in steps:
        at_ms += pause_ms
        if what in {"typed", "echoed"}:
            sent += data
            guard.typed(at_ms, data)
        if what in {"shown", "echoed"}:
            guard.shown(at_ms, data)
        guard.tick(at_ms)
        passed += guard.take()
    for _ in range(1 + len(sent)):
        at_ms += LIMIT_MS
        guard.tick(at_ms)
        passed += guard.take()
    return sent, passed


@settings(deadline=None)
@given(steps)
def test_where_no_rule_is_broken_all_of_it_goes_on_in_order(steps):
    guard = Guard(NONE, 80)
    sent, passed = play(guard, steps)
    assert passed == sent
    assert guard.swallowed_bytes == 0


@settings(deadline=None)
@given(steps)
def test_the_room_that_is_given_back_is_that_of_what_was_kept_back(steps):
    guard = Guard(SOME, 80)
    sent, passed = play(guard, steps)
    assert len(passed) + guard.swallowed_bytes == len(sent)
    assert bool(guard.found) == (passed != sent) or passed.endswith(b"\x03")


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([b"ls\n", b"wipe\n", b"x\\", b"wipe", b"\n", b"\r\n"]), max_size=20
    ),
    st.lists(st.booleans(), max_size=20),
    st.integers(1, 9),
)
def test_lines_of_a_script_that_were_approved_go_on_in_order(lines, words, piece_bytes):
    guard, script, passed, denied = PipedGuard(HOLD), b"".join(lines), b"", 0
    starts = range(0, len(script), piece_bytes)
    pieces = [script[at : at + piece_bytes] for at in starts]
    for data in pieces + [b""] * (1 + len(lines)):
        guard.typed(0, data)
        if not data:
            guard.finish(0)
        passed += guard.take()
        if guard.held:
            approved = words.pop() if words else True
            denied += not approved
            guard.resolve(0, approved=approved)
    passed += guard.take()
    assert len(passed) + guard.swallowed_bytes == len(script)
    assert denied or passed == script
    assert b"wipe" not in passed or len(guard.found) > denied


pieces = st.sampled_from(
    [
        *(b"$ ", b"ls -la", b"x", b"\b", b"\r", b"\x1b[K", b"\x1b[C", b"\x1b[2D", b"\x1b[3P"),
        *(b"\x1b[2@", b"\x1b[5G", b"\x1b[J", b"\x1b[m", b"\xc3\xa4", b"\x1b[1K", b"\x1b[2X"),
    ]
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=30))
def test_a_row_is_what_an_emulator_shows(pieces):
    shown = b"".join(pieces)[:150]
    row, emulator = Row(200), avt.Vt(200, 3)
    row.feed(shown)
    emulator.feed_str(shown.decode(errors="replace"))
    assert row.text == emulator.view()[0].text.rstrip()
