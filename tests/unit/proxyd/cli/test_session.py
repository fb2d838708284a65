import datetime as dt
import json
from collections.abc import Callable
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from samples.chunks import SESSION, STARTED, three_chunks
from samples.operator import NodeInMemory, summary

from control.pause_requests import PauseSession, ResumeSession
from control.requests import MessageSession, SearchHit, TerminateSession
from proxyd.cli import main
from proxyd.cli.invocation import Invocation

OTHER = UUID("7a3c1f00-0000-4000-8000-000000000001")

Run = Callable[..., Result]


@pytest.fixture
def node() -> NodeInMemory:
    node = NodeInMemory()
    ended = STARTED + dt.timedelta(seconds=3725)
    node.store(summary(ended_at=ended, chunks=3, complete=True), three_chunks())
    other = summary(OTHER, "live", user="bo", secret="db")
    node.store(other, three_chunks()[:2])
    return node


@pytest.fixture
def run(node: NodeInMemory, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("PROXYD_CONFIG", raising=False)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, obj=Invocation(open_operator=node.open))

    return invoke


def test_the_list_fits_eighty_columns(run: Run) -> None:
    lines = run("session", "list").stdout.splitlines()
    assert max(map(len, map(str.rstrip, lines))) <= 80
    assert lines[1].split() == [
        "00000000", "finished", "yes", "2026-01-01", "00:00", "1:02:05", "ana", "web",
    ]  # fmt: skip


def test_the_list_as_json_has_the_names_that_scripts_rely_on(run: Run) -> None:
    first, _ = json.loads(run("--output", "json", "session", "list").stdout)
    assert first["id"] == str(SESSION)
    assert first["started_at"] == "2026-01-01T00:00:00Z"
    assert first["complete"] is True


@pytest.mark.parametrize(
    "filters",
    [["--live"], ["--user", "bo"], ["--secret", "db"], ["--live", "--since", "2025-12-31"]],
)
def test_the_list_is_filtered(run: Run, filters: list[str]) -> None:
    rows = json.loads(run("--output", "json", "session", "list", *filters).stdout)
    assert [row["id"] for row in rows] == [str(OTHER)]


def test_nothing_found_is_an_empty_list(run: Run) -> None:
    result = run("--output", "json", "session", "list", "--until", "2025-12-31")
    assert (result.exit_code, result.stdout) == (0, "[]\n")


def test_a_session_is_named_by_the_first_characters_of_its_id(run: Run) -> None:
    shown = json.loads(run("--output", "json", "session", "show", "7A3C").stdout)
    assert shown["id"] == str(OTHER)


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [("7a3", 2), ("beef", 3), (str(UUID(int=99)), 3)],
    ids=["too short", "none begins so", "no such id"],
)
def test_a_session_that_is_not_there_has_its_exit_code(
    run: Run, given: str, exit_code: int
) -> None:
    assert run("session", "show", given).exit_code == exit_code


def test_two_sessions_of_one_prefix_are_not_guessed_between(
    run: Run, node: NodeInMemory
) -> None:
    twin = UUID("7a3c1f00-0000-4000-8000-000000000002")
    node.store(summary(twin), [])
    result = run("session", "terminate", "7a3c", "--reason", "why not")
    assert (result.exit_code, node.told) == (2, [])


def test_search_says_where_and_when(run: Run, node: NodeInMemory) -> None:
    node.lines = [
        SearchHit(session=OTHER, at_ms=62_500, kind="command", text="rm -rf /", channel=0)
    ]
    row = run("session", "search", "rm", "--in", "commands,input").stdout.splitlines()[1]
    assert row.split(maxsplit=3) == ["7a3c1f00", "1:02.5", "command", "rm -rf /"]


def test_search_looks_only_where_it_is_told(run: Run, node: NodeInMemory) -> None:
    node.lines = [SearchHit(session=OTHER, at_ms=0, kind="output", text="rm", channel=0)]
    assert run("--output", "json", "session", "search", "rm", "--in", "titles").stdout == "[]\n"
    assert run("session", "search", "rm", "--in", "dreams").exit_code == 2


@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.parametrize("evil", ["\x1b]52;c;cHduZWQ=\x07", "\x9b2J", "\u202eexe.txt", "\x7f"])
def test_what_comes_from_a_recording_does_not_act_on_the_terminal(
    run: Run, node: NodeInMemory, evil: str, output: str
) -> None:
    node.lines = [SearchHit(session=OTHER, at_ms=0, kind="output", text=evil, channel=0)]
    printed = run("--output", output, "session", "search", evil[-1]).stdout
    assert not set(printed) & set("\x1b\x07\x9b\u202e\x7f")
    assert "\\" in printed


def test_a_session_is_ended_with_a_reason(run: Run, node: NodeInMemory) -> None:
    result = run("session", "terminate", "7a3c", "--reason", "maintenance")
    assert result.exit_code == 0
    assert node.told == [TerminateSession(id=OTHER, reason="maintenance")]
    assert run("session", "terminate", "7a3c").exit_code == 2


def test_a_user_is_told_something(run: Run, node: NodeInMemory) -> None:
    told = run("--output", "json", "session", "message", "7a3c", "five minutes left")
    assert json.loads(told.stdout) == {"detail": f"session {OTHER} was shown the message"}
    assert node.told == [MessageSession(id=OTHER, text="five minutes left")]


def test_a_session_is_paused_with_a_reason_and_goes_on(run: Run, node: NodeInMemory) -> None:
    assert run("session", "pause", "7a3c", "--reason", "what is this").exit_code == 0
    assert run("session", "resume", "7a3c").exit_code == 0
    assert node.told == [PauseSession(id=OTHER, reason="what is this"), ResumeSession(id=OTHER)]


def test_settings_that_cannot_be_read_have_their_exit_code(run: Run) -> None:
    assert run("--config", "/nowhere/proxyd.toml", "session", "list").exit_code == 78
