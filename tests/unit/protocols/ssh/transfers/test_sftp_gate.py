"""What an SFTP client may ask where rules go by direction and path."""

import pytest

from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.errors import RemoteProtocolError
from protocols.ssh.packets import string, uint32
from protocols.ssh.sftp_messages import Kind
from protocols.ssh.transfers.rules import BOTH, FileRules
from protocols.ssh.transfers.sftp_gate import REFUSALS_LIMIT, SFTPGate

UP, DOWN = Direction.UPLOAD, Direction.DOWNLOAD
READ, WRITE, APPEND, CREATE, TRUNCATE = 1, 2, 4, 8, 16


def message(kind: int, ident: int, *fields: bytes) -> bytes:
    body = bytes((kind,)) + uint32(ident) + b"".join(fields)
    return uint32(len(body)) + body


def open_file(path: str, flags: int, ident: int = 7) -> bytes:
    return message(Kind.OPEN, ident, string(path.encode()), uint32(flags), uint32(0))


def gate(verdict: str, glob: str = "**", *ways: Direction) -> SFTPGate:
    rule = FileRule(name="it", verdict=FileVerdict(verdict), directions=ways or BOTH, glob=glob)
    return SFTPGate(FileRules([rule]))


def passes(gate: SFTPGate, asked: bytes) -> bool:
    """Say whether a request goes on as it is; else it is one of its length nobody knows."""
    gate.typed(0, asked)
    sent = gate.take()
    if sent == asked:
        return True
    assert len(sent) == len(asked)
    assert sent[:4] == asked[:4]
    assert sent[4] == Kind.EXTENDED
    assert sent[5:9] == asked[5:9]
    assert int.from_bytes(sent[9:13], "big") == len(sent) - 13
    assert set(sent[13:]) <= {ord("-")}
    assert gate.found.pop().refused
    return False


@pytest.mark.parametrize(
    ("flags", "up", "down"),
    [
        (READ, False, True),
        (WRITE | CREATE | TRUNCATE, True, False),
        (READ | WRITE, True, True),
        (0, False, True),
        (APPEND, True, True),
        (CREATE, True, True),
        (WRITE | APPEND, True, False),
    ],
)
def test_the_flags_of_an_open_say_which_way(flags: int, up: bool, down: bool):  # noqa: FBT001
    assert passes(gate("refuse", "**", UP), open_file("/a", flags)) is not up
    assert passes(gate("refuse", "**", DOWN), open_file("/a", flags)) is not down


TWO = string(b"/srv/a") + string(b"/srv/b")
CHANGES = [
    message(Kind.REMOVE, 1, string(b"/srv/a")),
    message(Kind.MKDIR, 1, string(b"/srv/a"), uint32(0)),
    message(Kind.RMDIR, 1, string(b"")),
    message(Kind.SETSTAT, 1, string(b"/srv/a"), uint32(0)),
    message(Kind.FSETSTAT, 1, string(b"handle"), uint32(0)),
    message(Kind.RENAME, 1, TWO),
    message(Kind.SYMLINK, 1, TWO),
    message(Kind.EXTENDED, 1, string(b"posix-rename@openssh.com"), TWO),
    message(Kind.EXTENDED, 1, string(b"hardlink@openssh.com"), TWO),
    message(Kind.EXTENDED, 1, string(b"lsetstat@openssh.com"), string(b"/a"), uint32(0)),
    message(Kind.EXTENDED, 1, string(b"copy-file"), TWO),
    message(21, 1, TWO),
]


@pytest.mark.parametrize("asked", CHANGES, ids=lambda asked: str(asked[4:40]))
def test_what_changes_the_target_is_an_upload(asked: bytes):
    assert not passes(gate("refuse", "**", UP), asked)


@pytest.mark.parametrize("asked", CHANGES[:-2], ids=lambda asked: str(asked[4:40]))
def test_what_changes_the_target_is_no_download(asked: bytes):
    assert passes(gate("allow", "**", DOWN), asked)


@pytest.mark.parametrize(
    "asked",
    [
        message(Kind.CLOSE, 1, string(b"h")),
        message(Kind.WRITE, 1, string(b"h"), bytes(8), string(b"x" * 5000)),
        message(Kind.STAT, 1, string(b"/etc/shadow")),
        message(Kind.OPENDIR, 1, string(b"/etc")),
        message(Kind.REALPATH, 1, string(b".")),
        message(Kind.EXTENDED, 1, string(b"limits@openssh.com")),
    ],
    ids=lambda asked: str(asked[4:20]),
)
def test_looking_and_working_on_what_is_open_passes(asked: bytes):
    assert passes(gate("refuse"), asked)


@pytest.mark.parametrize("piece_bytes", [1, 3, 7, 64, 100_000])
def test_pieces_make_no_difference(piece_bytes: int):
    it = gate("refuse", "/etc/**", DOWN)
    asked = [
        message(Kind.INIT, 3),
        open_file("/etc/shadow", READ, 1),
        message(Kind.WRITE, 2, string(b"h"), bytes(8), string(b"x" * 500)),
        open_file("/srv/a", READ, 3),
    ]
    stream, sent = b"".join(asked), b""
    for start in range(0, len(stream), piece_bytes):
        it.typed(0, stream[start : start + piece_bytes])
        sent += it.take()
        assert b"shadow" not in sent
    assert len(sent) == len(stream)
    assert sent.endswith(asked[2] + asked[3])


def test_an_open_waits_until_it_is_whole():
    it = gate("refuse", "/etc/**", DOWN)
    asked = open_file("/srv/a", READ)
    it.typed(0, asked[:-1])
    assert it.take() == b""
    it.typed(0, asked[-1:])
    assert it.take() == asked


def test_detours_and_relative_paths_lead_to_the_same_file():
    it = gate("refuse", "/etc/**", DOWN)
    assert not passes(it, open_file("/srv/../etc/shadow", READ))
    assert not passes(it, open_file("//etc/./shadow", READ))
    assert not passes(it, open_file("harmless", READ)), "nobody knows where it is"
    assert passes(it, message(Kind.REALPATH, 5, string(b".")))
    name = uint32(1) + string(b"/home/a") + string(b"drwx") + uint32(0)
    it.shown(0, message(Kind.NAME, 5, name))
    assert passes(it, open_file("harmless", READ))
    assert not passes(it, open_file("../../etc/shadow", READ))


def named(path: bytes, ident: int) -> bytes:
    return message(Kind.NAME, ident, uint32(1) + string(path) + string(b"drwx") + uint32(0))


@pytest.mark.parametrize("kind", [Kind.REALPATH, Kind.READLINK, Kind.STAT])
@pytest.mark.parametrize("order", [1, -1])
def test_a_client_cannot_have_relative_paths_start_where_it_likes(kind: Kind, order: int):
    it = gate("allow", "/srv/in/**", UP)
    asked = [message(kind, 5, string(b"/srv/in")), message(Kind.REALPATH, 5, string(b"."))]
    for each in asked[::order]:
        assert passes(it, each)
    it.shown(0, named(b"/srv/in", 5) + named(b"/home/a", 5))
    assert not passes(it, open_file(".bashrc", WRITE))


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow\0/../../srv/in/x", "/srv/in/..\\..\\etc", "C:/Windows/x", "a\\..\\..\\b"],
)
def test_a_path_that_targets_read_in_different_ways_is_not_known(path: str):
    it = gate("allow", "/srv/in/**", UP)
    assert passes(it, message(Kind.REALPATH, 5, string(b".")))
    it.shown(0, named(b"/srv/in", 5))
    assert passes(it, open_file("x", WRITE))
    assert not passes(it, open_file(path, WRITE))


def test_another_name_gives_no_more_than_the_first_did():
    it = gate("allow", "/srv/**", DOWN)
    old_new = string(b"/etc/shadow") + string(b"/srv/shadow")
    assert not passes(it, message(Kind.RENAME, 1, old_new))
    hardlink = string(b"hardlink@openssh.com")
    assert not passes(it, message(Kind.EXTENDED, 1, hardlink, old_new))
    assert passes(it, message(Kind.RENAME, 1, TWO))
    away = string(b"/etc/shadow") + string(b"/etc/old")
    assert passes(it, message(Kind.RENAME, 1, away))


def test_no_link_is_made_where_rules_go_by_paths():
    link = message(Kind.SYMLINK, 1, string(b"/etc"), string(b"/srv/etc"))
    assert not passes(gate("allow", "/srv/**", UP), link)
    assert passes(gate("refuse", "**", DOWN), link)


def test_nobody_speaks_a_later_version():
    it = gate("refuse")
    it.typed(0, message(Kind.INIT, 6))
    assert it.take() == message(Kind.INIT, 3)
    with pytest.raises(RemoteProtocolError):
        it.shown(0, message(Kind.VERSION, 4))


@pytest.mark.parametrize(
    "asked", [uint32(4) + b"\x03abc", uint32(300_000) + b"\x03", uint32(0) + b"\0"]
)
def test_what_is_no_request_ends_the_session(asked: bytes):
    with pytest.raises(RemoteProtocolError):
        gate("refuse").typed(0, asked)


def test_refusals_have_an_end():
    it = gate("refuse")
    with pytest.raises(RemoteProtocolError):
        it.typed(0, open_file("/a", READ) * (REFUSALS_LIMIT + 1))
