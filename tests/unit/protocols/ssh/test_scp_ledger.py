"""The SCP ledger names what scp copies, and gives up rather than err."""

import hashlib

import pytest

from protocols.ssh.scp_ledger import SCPCommand, SCPLedger
from recorder.events import FileTouched


def play(ledger: SCPLedger, *turns: tuple[str, bytes]) -> list[FileTouched]:
    touched = []
    for at_ms, (side, data) in enumerate(turns):
        touched += (ledger.client if side == "client" else ledger.target)(at_ms, data)
    return touched + ledger.close(len(turns))


def facts(touched: list[FileTouched]) -> list[tuple[str, str, int, str]]:
    return [(each.operation, each.path, each.size_bytes, each.outcome) for each in touched]


def scp(path: str, *, sends: bool = False, folder: bool = False) -> SCPLedger:
    return SCPLedger(SCPCommand(sends=sends, folder=folder, path=path))


def test_an_scp_upload_names_path_and_digest():
    (touched,) = play(
        scp("/srv/a"),
        ("target", b"\0"),
        ("client", b"T1 0 1 0\n"),
        ("target", b"\0"),
        ("client", b"C0644 5 a\n"),
        ("target", b"\0"),
        ("client", b"hel"),
        ("client", b"lo\0"),
        ("target", b"\0"),
    )
    assert facts([touched]) == [("upload", "/srv/a", 5, "ok")]
    assert touched.sha256 == hashlib.sha256(b"hello").digest()
    assert touched.new_path == ""


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/srv/b", False, ("/srv/b", "a")),
        ("/srv/b", True, ("/srv/b/a", "")),
        ("/srv/", False, ("/srv/a", "")),
        (".", False, ("./a", "")),
    ],
)
def test_where_an_scp_upload_goes_is_told_as_far_as_it_is_known(path, folder, expected):
    (touched,) = play(
        scp(path, folder=folder),
        ("target", b"\0"),
        ("client", b"C0644 0 a\n"),
        ("target", b"\0"),
        ("client", b"\0"),
        ("target", b"\0"),
    )
    assert (touched.path, touched.new_path) == expected


def test_a_tree_that_scp_downloads_has_the_paths_of_the_target():
    touched = play(
        scp("/srv/tree", sends=True),
        ("client", b"\0"),
        ("target", b"D0755 0 tree\n"),
        ("client", b"\0"),
        ("target", b"C0644 1 a\n"),
        ("client", b"\0"),
        ("target", b"x\0"),
        ("client", b"\0"),
        ("target", b"E\n"),
        ("client", b"\0"),
    )
    assert facts(touched) == [("download", "/srv/tree/a", 1, "ok")]


def test_a_refused_scp_file_is_told_and_the_next_one_read():
    touched = play(
        scp("/srv", folder=True),
        ("target", b"\0"),
        ("client", b"C0644 5 a\n"),
        ("target", b"\x01scp: /srv/a: Permission denied\n"),
        ("client", b"C0644 1 b\n"),
        ("target", b"\0"),
        ("client", b"x\0"),
        ("target", b"\x01scp: b: disk full\n"),
    )
    assert facts(touched) == [
        ("upload", "/srv/a", 0, "scp: /srv/a: Permission denied"),
        ("upload", "/srv/b", 1, "scp: b: disk full"),
    ]


def test_a_refused_scp_folder_is_told():
    touched = play(
        scp("/srv", folder=True),
        ("target", b"\0"),
        ("client", b"D0755 0 tree\n"),
        ("target", b"\x01no\n"),
    )
    assert facts(touched) == [("mkdir", "/srv/tree", 0, "no")]


def test_a_sender_that_cannot_read_its_file_is_told():
    touched = play(
        scp("/srv/a", sends=True),
        ("client", b"\0"),
        ("target", b"\x01scp: /srv/a: No such file or directory\n"),
    )
    assert facts(touched) == [
        ("download", "/srv/a", 0, "scp: /srv/a: No such file or directory")
    ]
    touched = play(
        scp("/srv/a", sends=True),
        ("client", b"\0"),
        ("target", b"C0644 2 a\n"),
        ("client", b"\0"),
        ("target", b"xx\x01scp: read error\n"),
        ("client", b"\0"),
    )
    assert facts(touched) == [("download", "/srv/a", 2, "scp: read error")]


def test_an_scp_transfer_that_breaks_off_is_incomplete():
    touched = play(scp("/a"), ("target", b"\0"), ("client", b"C0644 5 a\n"), ("target", b"\0"))
    assert facts(touched) == [("upload", "/a", 0, "incomplete")]
    assert touched[0].sha256 == b""


@pytest.mark.parametrize(
    "turns",
    [
        [("client", b"hello\n")],
        [("client", b"C0644 5 a" * 4000)],
        [("client", b"C0644 5 ../a\n")],
        [("target", b"\0\0")],
        [("target", b"hello")],
        [("client", b"T\n" * 2000)],
        [("client", b"D0755 0 a\n" * 2000)],
    ],
)
def test_the_scp_ledger_gives_up_once_and_ignores_the_rest(turns):
    touched = play(scp("/srv"), *turns, ("client", b"C0644 0 a\n"), ("target", b"\0"))
    assert [each.operation for each in touched] == ["unreadable"]
