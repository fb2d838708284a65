import datetime as dt
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyd.cli.output import print_fields, print_json, print_table, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größer 世界 🙂", "größer 世界 🙂"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("[red]no markup[/red]", "[red]no markup[/red]"),
    ],
)
def test_what_could_act_on_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_control_is_ever_printed(text: str) -> None:
    kinds = set(map(unicodedata.category, printable(text)))
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_json_says_the_same_as_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    document = ["\x1b]0;t\x07", "\x7f\x9b\u202e", "größer 🙂", "\U000e0001"]
    print_json(document)
    printed = capsys.readouterr().out
    assert json.loads(printed) == document
    assert printed.rstrip("\n").isprintable()
    assert "größer" in printed


def test_a_table_has_headings_even_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "NAME"), [])
    assert capsys.readouterr().out.split() == ["ID", "NAME"]


def test_in_a_pipe_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("TEXT",), [("x" * 500,), ("[bold]",), (None,)])
    assert capsys.readouterr().out.split() == ["TEXT", "x" * 500, "[bold]", "-"]


def test_one_thing_is_a_line_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    moment = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    print_fields({"id": 7, "started_at": moment, "ended_at": None})
    assert capsys.readouterr().out.splitlines() == [
        "id          7",
        "started_at  2026-01-01T10:00:00Z",
        "ended_at    -",
    ]


def test_every_act_answers_a_program_with_one_document(proxyd, answer):
    def done(*arguments: str, typed: str = "") -> str:
        return str(answer(*arguments, typed=typed)["detail"])

    password = "Correct-Horse-9-Battery\n"
    target = ("--protocol", "ssh", "--host", "h", "--port", "22", "--username", "root")
    proxyd("secret", "add", "web", *target, "--password-stdin", typed="pw\n")
    proxyd("user", "add", "ana", "--password-stdin", typed=password)
    assert done("init") == "everything was set up already"
    assert done("config", "check").endswith("the settings can be used")
    assert done("group", "add", "ops") == "added: group ops"
    assert done("access", "grant", "ana", "web") == "ana may reach web"
    assert done("access", "demand", "web", "ticket") == "web demands ticket"
    assert done("access", "revoke", "ana", "web") == "ana may no longer reach web"
    assert done("secret", "keep-files", "web", "0").startswith("web keeps 0 bytes")
    assert done("secret", "remove", "web") == "removed the secret web"
    assert done("user", "keys", "demand", "ana", "either") == "ana logs on with either"
    assert done("user", "set-role", "ana", "auditor") == "ana is auditor now"
    assert "ana" in done("user", "set-password", "ana", "--password-stdin", typed=password)
    assert done("user", "reset-totp", "ana") == "ana has no second factor any more"
    assert done("user", "disable", "ana") == "disabled the user ana"
    assert done("rotate-recording-key")


def test_people_read_on_standard_error_what_was_done(proxyd):
    told = proxyd("group", "add", "ops")
    assert (told.stdout, told.stderr) == ("", "added: group ops\n")
