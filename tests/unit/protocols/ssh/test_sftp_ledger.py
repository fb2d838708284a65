"""The SFTP ledger names what clients do to files, and gives up rather than err."""

import hashlib
import struct

import pytest

from protocols.ssh.sftp_ledger import HANDLES_LIMIT, REQUESTS_LIMIT, SFTPLedger
from protocols.ssh.sftp_messages import MESSAGE_LIMIT_BYTES
from recorder.events import FileTouched


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def message(kind: int, ident: int, *fields: bytes) -> bytes:
    body = bytes([kind]) + struct.pack(">I", ident) + b"".join(fields)
    return string(body)


def opened(ident: int, path: bytes, access: int) -> bytes:
    return message(3, ident, string(path), struct.pack(">II", access, 0))


def status(ident: int, code: int = 0, words: bytes = b"") -> bytes:
    return message(101, ident, struct.pack(">I", code), string(words), string(b"en"))


def handle(ident: int, name: bytes = b"h") -> bytes:
    return message(102, ident, string(name))


def close(ident: int, name: bytes = b"h") -> bytes:
    return message(4, ident, string(name))


def write(ident: int, offset: int, data: bytes, name: bytes = b"h") -> bytes:
    return message(6, ident, string(name), struct.pack(">Q", offset), string(data))


def read(ident: int, offset: int, size: int, name: bytes = b"h") -> bytes:
    return message(5, ident, string(name), struct.pack(">QI", offset, size))


def contents(ident: int, data: bytes) -> bytes:
    return message(103, ident, string(data))


def play(ledger: SFTPLedger, *turns: tuple[str, bytes]) -> list[FileTouched]:
    touched = []
    for at_ms, (side, data) in enumerate(turns):
        touched += (ledger.client if side == "client" else ledger.target)(at_ms, data)
    return touched + ledger.close(len(turns))


def facts(touched: list[FileTouched]) -> list[tuple[str, str, int, str]]:
    return [(each.operation, each.path, each.size_bytes, each.outcome) for each in touched]


READ, WRITE = 1, 2 | 8 | 16


def test_an_upload_has_its_size_and_digest():
    (touched,) = play(
        SFTPLedger(3),
        ("client", opened(1, b"/srv/a", WRITE)),
        ("target", handle(1)),
        ("client", write(2, 0, b"hello ") + write(3, 6, b"world") + close(4)),
        ("target", status(2) + status(3) + status(4)),
    )
    assert touched == FileTouched(
        at_ms=3,
        channel=3,
        operation="upload",
        path="/srv/a",
        size_bytes=11,
        sha256=hashlib.sha256(b"hello world").digest(),
    )


def test_a_pipelined_download_has_its_size_and_digest():
    (touched,) = play(
        SFTPLedger(),
        ("client", opened(1, b"/srv/a", READ)),
        ("target", handle(1)),
        ("client", read(2, 0, 6) + read(3, 6, 6) + read(4, 12, 6)),
        ("target", contents(2, b"hello ") + contents(3, b"world") + status(4, 1, b"End")),
        ("client", close(5)),
        ("target", status(5)),
    )
    assert facts([touched]) == [("download", "/srv/a", 11, "ok")]
    assert touched.sha256 == hashlib.sha256(b"hello world").digest()


def test_contents_out_of_order_have_a_size_and_no_digest():
    (touched,) = play(
        SFTPLedger(),
        ("client", opened(1, b"/srv/a", WRITE)),
        ("target", handle(1)),
        ("client", write(2, 6, b"world") + write(3, 0, b"hello ") + close(4)),
        ("target", status(2) + status(3) + status(4)),
    )
    assert (touched.size_bytes, touched.sha256) == (11, b"")


def test_a_failed_write_is_the_outcome_though_the_close_succeeds():
    (touched,) = play(
        SFTPLedger(),
        ("client", opened(1, b"/srv/a", WRITE)),
        ("target", handle(1)),
        ("client", write(2, 0, b"hello") + close(3)),
        ("target", status(2, 4, b"disk full") + status(3)),
    )
    assert touched.outcome == "failure: disk full"


@pytest.mark.parametrize(
    ("code", "words", "outcome"),
    [
        (2, b"No such file", "no such file"),
        (3, b"", "permission denied"),
        (4, b"ok", "failure: ok"),
        (8, b"Operation unsupported", "operation unsupported"),
        (99, b"strange \xff", "status 99: strange �"),
    ],
)
def test_a_refusal_is_told_by_its_code_and_the_targets_words(code, words, outcome):
    touched = play(
        SFTPLedger(),
        ("client", opened(1, b"/srv/a", READ)),
        ("target", status(1, code, words)),
    )
    assert facts(touched) == [("download", "/srv/a", 0, outcome)]


def test_a_status_without_words_is_read():
    ledger = SFTPLedger()
    ledger.client(0, message(13, 1, string(b"/srv/a")))
    (touched,) = ledger.target(1, message(101, 1, struct.pack(">I", 3)))
    assert touched.outcome == "permission denied"


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (message(13, 1, string(b"/a")), ("remove", "/a", "")),
        (message(14, 1, string(b"/a"), bytes(4)), ("mkdir", "/a", "")),
        (message(15, 1, string(b"/a")), ("rmdir", "/a", "")),
        (message(9, 1, string(b"/a"), bytes(4)), ("setstat", "/a", "")),
        (message(18, 1, string(b"/a"), string(b"/b")), ("rename", "/a", "/b")),
        (message(20, 1, string(b"/a"), string(b"/b")), ("symlink", "/a", "/b")),
        (
            message(200, 1, string(b"posix-rename@openssh.com"), string(b"/a"), string(b"/b")),
            ("rename", "/a", "/b"),
        ),
        (
            message(200, 1, string(b"hardlink@openssh.com"), string(b"/a"), string(b"/b")),
            ("link", "/a", "/b"),
        ),
        (
            message(200, 1, string(b"lsetstat@openssh.com"), string(b"/a"), bytes(4)),
            ("setstat", "/a", ""),
        ),
    ],
)
def test_operations_on_paths_are_told_with_their_outcome(request_bytes, expected):
    (done,) = play(SFTPLedger(), ("client", request_bytes), ("target", status(1)))
    assert (done.operation, done.path, done.new_path) == expected
    assert done.outcome == "ok"
    (under_way,) = play(SFTPLedger(), ("client", request_bytes))
    assert under_way.outcome == "incomplete"


def test_attributes_set_through_a_handle_have_its_path():
    touched = play(
        SFTPLedger(),
        ("client", opened(1, b"/a", WRITE)),
        ("target", handle(1)),
        ("client", message(10, 2, string(b"h"), bytes(4))),
        ("target", status(2)),
        ("client", close(3)),
        ("target", status(3)),
    )
    assert [(each.operation, each.path) for each in touched] == [
        ("setstat", "/a"),
        ("upload", "/a"),
    ]


def test_a_copy_on_the_target_has_both_paths():
    copy = message(
        200, 3, string(b"copy-data"), string(b"r"), bytes(16), string(b"w"), bytes(8)
    )
    touched = play(
        SFTPLedger(),
        ("client", opened(1, b"/from", READ) + opened(2, b"/to", WRITE)),
        ("target", handle(1, b"r") + handle(2, b"w")),
        ("client", copy),
        ("target", status(3)),
    )
    assert (touched[0].operation, touched[0].path, touched[0].new_path) == (
        "copy",
        "/from",
        "/to",
    )


def test_folders_that_are_listed_are_no_files():
    listing = message(11, 1, string(b"/srv"))
    assert not play(
        SFTPLedger(),
        ("client", listing),
        ("target", handle(1)),
        ("client", message(12, 2, string(b"h"))),
        ("target", status(2, 1)),
        ("client", close(3)),
        ("target", status(3)),
    )


def test_what_is_open_when_the_channel_closes_is_incomplete():
    touched = play(
        SFTPLedger(),
        ("client", opened(1, b"/srv/a", WRITE)),
        ("target", handle(1)),
        ("client", write(2, 0, b"hel")),
    )
    assert facts(touched) == [("upload", "/srv/a", 3, "incomplete")]


def test_a_path_that_is_no_utf8_becomes_text():
    touched = play(
        SFTPLedger(), ("client", message(13, 1, string(b"/gr\xfcn"))), ("target", status(1))
    )
    assert touched[0].path == "/gr�n"


def test_an_endless_path_is_cut():
    touched = play(
        SFTPLedger(), ("client", message(13, 1, string(b"a" * 9000))), ("target", status(1))
    )
    assert touched[0].path == "a" * 4096 + "…"


def too_many_handles() -> list[tuple[str, bytes]]:
    turns = []
    for number in range(HANDLES_LIMIT + 1):
        turns += [
            ("client", message(11, number, string(b"/"))),
            ("target", handle(number, b"%d" % number)),
        ]
    return turns


@pytest.mark.parametrize(
    "turns",
    [
        [("target", string(b"\x02" + struct.pack(">I", 6)))],
        [("client", string(b"\x03" + bytes(MESSAGE_LIMIT_BYTES)))],
        [("client", bytes(5))],
        [("client", message(3, 1, string(b"x")[:-1]))],
        [("client", b"".join(read(number, 0, 1) for number in range(REQUESTS_LIMIT + 1)))],
        [("client", struct.pack(">IBII", 20, 6, 1, 1 << 30))],
        [("client", message(6, 1, string(b"h"), bytes(8), struct.pack(">I", 99)))],
        [("client", opened(1, b"/a", READ)), ("target", handle(1, b"h" * 300))],
        too_many_handles(),
    ],
)
def test_it_gives_up_once_and_ignores_the_rest(turns):
    ledger = SFTPLedger()
    touched = play(
        ledger, *turns, ("client", message(13, 1, string(b"/a"))), ("target", status(1))
    )
    assert [each.operation for each in touched if each.operation == "unreadable"] == [
        "unreadable"
    ]
    assert touched[-1].operation == "unreadable"


def test_answers_to_nothing_are_ignored():
    assert not play(
        SFTPLedger(),
        ("target", status(1) + message(104, 4, bytes(4))),
        (
            "client",
            write(5, 0, b"x", b"no handle") + close(6, b"none") + read(7, 0, 1, b"none"),
        ),
        ("target", status(5) + status(6) + status(7, 4)),
    )


@pytest.mark.parametrize("answer", [handle(2), contents(3, b"x")])
def test_what_nobody_asked_for_is_said_to_be_unreadable(answer: bytes):
    [touched] = play(SFTPLedger(), ("target", answer))
    assert touched.operation == "unreadable"


OPENED = (("client", opened(1, b"/etc/shadow", 1)), ("target", handle(1)))


@pytest.mark.parametrize(
    "turns",
    [
        (*OPENED, ("client", read(5, 0, 9) + close(5)), ("target", contents(5, b"x"))),
        (*OPENED, ("client", message(17, 5) + read(5, 0, 9)), ("target", status(5, 2)),
         ("target", contents(5, b"x"))),
        (("client", message(17, 5) + opened(5, b"/etc/shadow", 1)), ("target", status(5, 2)),
         ("target", handle(5))),
    ],
)  # fmt: skip
def test_what_a_doubled_number_hides_is_said_to_be_unreadable(turns):
    assert "unreadable" in [each.operation for each in play(SFTPLedger(), *turns)]
