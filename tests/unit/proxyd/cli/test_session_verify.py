import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from samples.chunks import SESSION, three_chunks
from samples.operator import NodeInMemory, summary

from proxyd.cli import main
from proxyd.cli.invocation import Invocation


@pytest.fixture
def node() -> NodeInMemory:
    node = NodeInMemory()
    node.store(summary(chunks=3), three_chunks())
    return node


def verify(node: NodeInMemory, what: str = str(SESSION), output: str = "table") -> Result:
    arguments = ["--output", output, "session", "verify", what]
    return CliRunner().invoke(main, arguments, obj=Invocation(open_operator=node.open))


def test_a_whole_recording_prints_nothing_and_exits_with_0(node: NodeInMemory) -> None:
    result = verify(node)
    assert (result.exit_code, result.stdout) == (0, "")


def test_each_finding_is_a_line_and_the_exit_code_is_6(node: NodeInMemory) -> None:
    del node.chunks[SESSION][1:]
    result = verify(node)
    assert result.exit_code == 6
    assert result.stdout.splitlines() == [
        "missing: chunks 1 to 2 are missing",
        "truncated: the recording breaks off after 1 chunks, without its end",
    ]


def test_findings_as_json_are_a_list(node: NodeInMemory) -> None:
    assert json.loads(verify(node, output="json").stdout) == []
    del node.chunks[SESSION][0]
    result = verify(node, output="json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)[0]["problem"] == "missing"


def test_a_session_that_is_not_there_is_not_a_broken_one(node: NodeInMemory) -> None:
    assert verify(node, "beef").exit_code == 3


def test_a_folder_of_chunks_is_verified_without_a_node(
    node: NodeInMemory, tmp_path: Path
) -> None:
    for chunk in three_chunks():
        (tmp_path / f"{chunk.header.sequence}.chunk").write_bytes(chunk.encoded)
    assert verify(node, str(tmp_path)).exit_code == 0
    (tmp_path / "1.chunk").unlink()
    assert verify(node, str(tmp_path)).exit_code == 6


def test_what_is_no_folder_of_chunks_is_named(node: NodeInMemory, tmp_path: Path) -> None:
    result = verify(node, str(tmp_path))
    assert result.exit_code == 2
    assert "is no folder with *.chunk files" in result.stderr
    (tmp_path / "first.chunk").write_bytes(b"")
    assert verify(node, str(tmp_path)).exit_code == 2
