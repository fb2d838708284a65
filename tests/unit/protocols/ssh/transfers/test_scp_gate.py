"""What an SCP client may send where rules go by paths."""

import pytest

from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.errors import RemoteProtocolError
from protocols.ssh.files import SCPCommand
from protocols.ssh.transfers.rules import FileRules
from protocols.ssh.transfers.scp_gate import SCPGate

REFUSED = b"\x01proxyd: refused\n"


def gate(path: str = "/srv/in", verdict: str = "allow", glob: str = "/srv/in/**") -> SCPGate:
    rule = FileRule(
        name="it", verdict=FileVerdict(verdict), directions=(Direction.UPLOAD,), glob=glob
    )
    made = SCPGate(FileRules([rule]), SCPCommand(sends=False, folder=False, path=path))
    made.shown(0, b"\0")
    return made


def send(it: SCPGate, data: bytes) -> bytes:
    it.typed(0, data)
    return it.take()


def test_a_file_that_may_cross_crosses_unchanged():
    it = gate()
    assert send(it, b"T1 0 1 0\n") == b"T1 0 1 0\n"
    it.shown(0, b"\0")
    assert send(it, b"C0644 3 a\n") == b"C0644 3 a\n"
    it.shown(0, b"\0")
    assert send(it, b"abc\0") == b"abc\0"
    it.shown(0, b"\0")
    assert send(it, b"C0644 0 b\n") == b"C0644 0 b\n"
    assert it.found == []


def test_a_file_that_must_not_cross_is_answered_in_the_targets_name():
    it = gate(verdict="refuse", glob="/**/*.key")
    line = b"C0644 3 a.key\n"
    assert send(it, line) == b""
    assert it.take_answer() == REFUSED
    assert it.swallowed_bytes == len(line)
    assert it.found[0].command == "upload /srv/in/a.key"
    assert send(it, b"C0644 3 a.txt\n") == b"C0644 3 a.txt\n"


@pytest.mark.parametrize("path", ["/srv", "/srv/in", "/srv/in/"])
def test_a_path_may_be_a_folder_or_become_the_file(path: str):
    it = gate(path, glob="/srv/in/*")
    sent = send(it, b"C0644 3 a\n")
    assert bool(sent) is (path == "/srv/in/")


def test_folders_are_followed():
    it = gate("/srv/in/", verdict="refuse", glob="/srv/in/d/x")
    for line in (b"D0755 0 d\n", b"D0755 0 e\n", b"E\n"):
        assert send(it, line) == line
        it.shown(0, b"\0")
    assert send(it, b"C0644 1 x\n") == b""
    assert it.found[0].command == "upload /srv/in/d/x"


def test_contents_do_not_follow_what_the_target_refused():
    it = gate(verdict="refuse", glob="/srv/in/secret")
    # Sent ahead, as if the target would agree: it waits for what that says.
    line = b"C0644 20 ok\n"
    assert send(it, line + b"C0644 3 secret\nabc\0") == line
    it.shown(0, b"\x01scp: ok: Permission")
    it.shown(0, b" denied\n")
    # `abc` is no line, and the line of the refused file has gone nowhere.
    with pytest.raises(RemoteProtocolError):
        it.typed(0, b"\n")
    assert it.take() == b""


def test_a_client_that_fails_midway_says_so():
    it = gate()
    send(it, b"C0644 3 a\n")
    it.shown(0, b"\0")
    assert send(it, b"abc\x01scp: C0644 3 gone\n") == b"abc\x01scp: C0644 3 gone\n"
    assert send(it, b"C0644 3 b\n") == b""
    it.shown(0, b"\0")
    assert it.take() == b"C0644 3 b\n"


def test_an_early_answer_counts_for_the_contents():
    it = gate()
    send(it, b"C0644 3 a\n")
    it.shown(0, b"\0")
    send(it, b"ab")
    it.shown(0, b"\x01no space left\n")
    assert send(it, b"c\0E\n") == b"c\0E\n"


def test_an_answer_to_nothing_ends_the_session():
    it = gate()
    it.shown(0, b"\0")
    with pytest.raises(RemoteProtocolError):
        it.typed(0, b"C0644 3 a\n")


@pytest.mark.parametrize("data", [b"X\n", b"x" * 9000, b"C0644 3 a/b\n"])
def test_what_is_no_scp_ends_the_session(data: bytes):
    with pytest.raises(RemoteProtocolError):
        gate().typed(0, data)


def test_a_line_that_targets_read_in_different_ways_is_not_sent():
    it = gate(verdict="refuse", glob="/**/*.key")
    assert send(it, b"C0644 3 a.key\0x\n") == b"", "some end a name at a NUL"
    with pytest.raises(RemoteProtocolError):
        send(it, b"C0644 3 " + b"a" * 2039 + b"C0644 3 b.key x\n")
    with pytest.raises(RemoteProtocolError):
        send(gate(), b"C0644 9999999999999999999 a\n")
