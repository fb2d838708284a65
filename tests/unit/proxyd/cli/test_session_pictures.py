from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from samples.chunks import SESSION
from samples.operator import NodeInMemory, summary

from control.requests import LivePicture, OperatorRequest, WatchDesktop
from proxyd.cli import main
from proxyd.cli.invocation import Invocation
from recorder.session_info import TargetProtocol

FIRST, SECOND = b"\x89PNG first", b"\x89PNG second"


class Desktop(NodeInMemory):
    """Has one live desktop session, which shows two pictures."""

    def stream(self, request: OperatorRequest) -> Iterator[object]:
        if isinstance(request, WatchDesktop):
            yield LivePicture(at_ms=1, png=FIRST)
            yield LivePicture(at_ms=2, png=SECOND)
        else:
            yield from super().stream(request)


@pytest.fixture
def node() -> NodeInMemory:
    node = Desktop()
    node.store(summary(state="live", protocol=TargetProtocol.RDP), [])
    return node


def watch(node: NodeInMemory, *words: str) -> Result:
    invocation = Invocation(open_operator=node.open)
    return CliRunner().invoke(main, ["session", "watch", str(SESSION), *words], obj=invocation)


def test_a_pipe_gets_every_picture(node: NodeInMemory) -> None:
    result = watch(node)
    assert result.exit_code == 0
    assert result.stdout_bytes == FIRST + SECOND
    assert "the session ended" in result.stderr


def test_a_file_holds_the_newest_picture(node: NodeInMemory, tmp_path: Path) -> None:
    file = tmp_path / "newest.png"
    assert watch(node, "--out", str(file)).exit_code == 0
    assert file.read_bytes() == SECOND


def test_a_terminal_is_told_what_to_do_instead(
    node: NodeInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxyd.cli.session_pictures.is_terminal", lambda: True)
    result = watch(node)
    assert result.exit_code == 2
    assert "--out FILE" in result.stderr
