import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from samples.chunks import SESSION, SIGNER, chunk, three_chunks
from samples.operator import STORAGE, NodeInMemory, summary

from proxyd.cli import main
from proxyd.cli.invocation import Invocation
from recorder.events import EndReason, SessionEnded
from recorder.signing import SigningKey


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


def test_a_forged_signature_is_a_line_of_its_own(node: NodeInMemory) -> None:
    first, _, last = node.chunks[SESSION]
    stranger = SigningKey("engine-9", bytes(32))
    second = chunk([SessionEnded(at_ms=1, reason=EndReason.IDLE)], signer=stranger, sequence=1)
    forged = msgspec.structs.replace(first, sequence=1, digest=second.digest)
    node.chunks[SESSION] = [
        first,
        msgspec.structs.replace(forged, encoded=second.encoded),
        last,
    ]
    result = verify(node)
    assert result.exit_code == 6
    assert "forged: chunk 1 names key" in result.stdout


def test_what_is_wrong_with_the_log_is_told(node: NodeInMemory) -> None:
    node.problems = ("it was rolled back",)
    result = verify(node)
    assert (result.exit_code, result.stdout) == (6, "log differs: it was rolled back\n")


def test_an_end_that_the_log_does_not_know_is_found(node: NodeInMemory) -> None:
    whole = node.proof(node.sessions[SESSION])
    node.proof = lambda one: msgspec.structs.replace(whole, last_digest=bytes(32))  # type: ignore[method-assign]
    assert "ended with another chunk" in verify(node).stdout


@pytest.fixture
def bundle(node: NodeInMemory, tmp_path: Path) -> Path:
    out = tmp_path / "bundle.zip"
    arguments = ["session", "export", str(SESSION), "--format", "bundle", "--out", str(out)]
    result = CliRunner().invoke(main, arguments, obj=Invocation(open_operator=node.open))
    assert result.exit_code == 0, result.stderr
    return out


def no_node(_settings: object) -> NodeInMemory:
    raise AssertionError("a bundle is verified without a node")


def verify_file(what: Path, *options: str) -> Result:
    arguments = ["session", "verify", str(what), *options]
    return CliRunner().invoke(main, arguments, obj=Invocation(open_operator=no_node))  # type: ignore[arg-type]


def test_a_bundle_is_verified_without_a_node(bundle: Path) -> None:
    result = verify_file(bundle)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"sealed by engine-1, key {SIGNER.key_id}" in result.stderr


def test_a_bundle_must_come_from_the_key_that_is_trusted(bundle: Path) -> None:
    assert verify_file(bundle, "--storage-key", STORAGE.key_id).exit_code == 0
    assert verify_file(bundle, "--storage-key", STORAGE.public.hex()).exit_code == 0
    result = verify_file(bundle, "--storage-key", "0123456789abcdef")
    assert result.exit_code == 6
    assert "forged: the bundle was exported under key" in result.stdout


def test_a_file_that_is_no_bundle_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"no zip")
    result = verify_file(tmp_path / "noise")
    assert result.exit_code == 6
    assert "is no bundle, or damaged" in result.stdout
    assert verify_file(tmp_path).exit_code == 2


def test_a_bundle_that_is_not_there_is_not_taken_for_a_session(node):
    result = verify(node, "./gone.zip")
    assert result.exit_code == 3
    assert "./gone.zip is no file that is there" in result.stderr
