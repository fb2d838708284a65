"""The file ledger against OpenSSH's sftp and scp: names, sizes and digests are true."""

import getpass
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from peers import tee
from peers.needed import answers, free_port, program, wait_until
from peers.openssh import make_key, public_half

from protocols.ssh.files import Ledger, SFTPLedger, ledger_for
from recorder.events import FileTouched

pytestmark = pytest.mark.peers

SERVER = "/usr/lib/openssh/sftp-server"


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def tell(ledger: Ledger, log: Path) -> list[FileTouched]:
    told = []
    for at_ms, (side, data) in enumerate(tee.read(log)):
        told += (ledger.client if side == tee.CLIENT else ledger.target)(at_ms, data)
    return told + ledger.close(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "here/big").write_bytes(os.urandom(3_000_001))
    (tmp_path / "here/grün").write_bytes(b"leaf")
    (tmp_path / "here/empty").touch()
    (tmp_path / "there/held").write_bytes(os.urandom(1_234_567))
    return tmp_path


def sftp(folder: Path, *commands: str) -> list[FileTouched]:
    """Play a batch; a command that may fail begins with a dash."""
    log = folder / "log"
    server = f"{sys.executable} {tee.__file__} {log} {SERVER}"
    subprocess.run(
        [program("sftp"), "-D", server, "-b", "-"],
        input="\n".join(commands).encode() + b"\n",
        cwd=folder / "here",
        check=True,
        capture_output=True,
        timeout=30,
    )
    return tell(SFTPLedger(), log)


def scp(folder: Path, *arguments: str, status: int = 0) -> list[FileTouched]:
    """Copy with scp; the target's command is asked of its own line."""
    log, asked = folder / "log", folder / "asked"
    ssh = folder / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nfor last; do :; done\nprintf %s "$last" > {asked}\n'
        f'exec {sys.executable} {tee.__file__} {log} "$@"\n'
    )
    ssh.chmod(0o755)
    done = subprocess.run(
        [program("scp"), "-q", "-S", str(ssh), *arguments],
        cwd=folder / "here",
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == status, done.stderr
    wanted = asked.read_bytes()
    ledger = ledger_for("subsystem" if wanted == b"sftp" else "exec", wanted)
    assert ledger is not None
    return tell(ledger, log)


def test_sftp_uploads_and_downloads_are_told_with_their_digests(folder):
    there = folder / "there"
    told = sftp(
        folder,
        f"put big {there}/big",
        f"put grün {there}",
        f"put empty {there}",
        f"get {there}/held",
    )
    assert [(each.operation, each.path, each.size_bytes, each.outcome) for each in told] == [
        ("upload", f"{there}/big", 3_000_001, "ok"),
        ("upload", f"{there}/grün", 4, "ok"),
        ("upload", f"{there}/empty", 0, "ok"),
        ("download", f"{there}/held", 1_234_567, "ok"),
    ]
    assert [each.sha256 for each in told] == [
        digest(there / name) for name in ("big", "grün", "empty", "held")
    ]


def test_sftp_housekeeping_is_told(folder):
    there = folder / "there"
    told = sftp(
        folder,
        f"mkdir {there}/new",
        f"rename {there}/held {there}/new/kept",
        f"chmod 600 {there}/new/kept",
        f"symlink {there}/new/kept {there}/link",
        f"ln {there}/new/kept {there}/twin",
        f"rm {there}/link",
        f"rm {there}/twin",
        f"rm {there}/new/kept",
        f"rmdir {there}/new",
        f"-rm {there}/missing",
        f"-get {there}/missing",
    )
    assert [
        (each.operation, each.path.removeprefix(f"{there}/"), each.outcome) for each in told
    ] == [
        ("mkdir", "new", "ok"),
        ("rename", "held", "ok"),
        ("setstat", "new/kept", "ok"),
        ("symlink", "new/kept", "ok"),
        ("link", "new/kept", "ok"),
        ("remove", "link", "ok"),
        ("remove", "twin", "ok"),
        ("remove", "new/kept", "ok"),
        ("rmdir", "new", "ok"),
        ("remove", "missing", "no such file"),
    ]
    assert told[1].new_path == f"{there}/new/kept"


@pytest.mark.parametrize("flag", ["-O", "-s"])
def test_scp_copies_both_ways_are_told_with_their_digests(folder, flag):
    there = folder / "there"
    up = scp(folder, flag, "big", f"target:{there}/copy")
    down = scp(folder, flag, f"target:{there}/held", ".")
    both = [each for each in up + down if each.operation != "setstat"]
    assert [(each.operation, each.path, each.size_bytes, each.outcome) for each in both] == [
        ("upload", f"{there}/copy", 3_000_001, "ok"),
        ("download", f"{there}/held", 1_234_567, "ok"),
    ]
    assert [each.sha256 for each in both] == [digest(there / "copy"), digest(there / "held")]


@pytest.mark.parametrize("flag", ["-O", "-s"])
def test_a_tree_that_scp_copies_is_told_file_by_file(folder, flag):
    there = folder / "there"
    (folder / "here/tree/leaf").mkdir(parents=True)
    (folder / "here/tree/one").write_bytes(b"1")
    (folder / "here/tree/leaf/two").write_bytes(b"22")
    up = scp(folder, flag, "-rp", "tree", f"target:{there}/")
    files = {(each.path, each.size_bytes) for each in up if each.operation == "upload"}
    assert {(str(Path(path)), size) for path, size in files} == {
        (f"{there}/tree/one", 1),
        (f"{there}/tree/leaf/two", 2),
    }
    down = scp(folder, flag, "-r", f"target:{there}/tree", "again")
    files = {(each.path, each.size_bytes) for each in down if each.operation == "download"}
    assert files == {(f"{there}/tree/one", 1), (f"{there}/tree/leaf/two", 2)}


def test_a_file_that_scp_does_not_find_is_told(folder):
    there = folder / "there"
    (told,) = scp(folder, "-O", f"target:{there}/missing", ".", status=1)
    assert (told.operation, told.path) == ("download", f"{there}/missing")
    assert "No such file" in told.outcome


SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
Subsystem sftp {server}
ForceCommand {folder}/serve
"""

Pscp = Callable[..., list[FileTouched]]


@pytest.fixture
def pscp(folder: Path) -> Iterator[Pscp]:
    """PuTTY's pscp against an sshd that notes what passes on the channel."""
    port, log = free_port(), folder / "log"
    make_key(folder / "host_key")
    key, ppk = make_key(folder / "user_key"), folder / "user_key.ppk"
    subprocess.run([program("puttygen"), key, "-O", "private", "-o", ppk], check=True)
    (folder / "serve").write_text(
        f'#!/bin/sh\nprintf %s "$SSH_ORIGINAL_COMMAND" > {folder}/asked\n'
        f'exec {sys.executable} {tee.__file__} {log} sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    (folder / "serve").chmod(0o755)
    (folder / "sshd_config").write_text(SSHD.format(port=port, folder=folder, server=SERVER))
    Path("/run/sshd").mkdir(exist_ok=True)

    def copy(*words: str) -> list[FileTouched]:
        trusted = public_half(folder / "host_key").split()[1]
        argv = [program("pscp"), "-batch", "-P", str(port), "-i", str(ppk), "-hostkey", trusted]
        user = getpass.getuser()
        words = tuple(word.replace("target:", f"{user}@127.0.0.1:") for word in words)
        subprocess.run(
            [*argv, *words], cwd=folder / "here", check=True, capture_output=True, timeout=30
        )
        ledger = ledger_for("exec", (folder / "asked").read_bytes())
        assert ledger is not None
        return tell(ledger, log)

    sshd = subprocess.Popen([program("sshd"), "-D", "-f", folder / "sshd_config"])
    try:
        wait_until(lambda: answers(port), "sshd does not listen")
        yield copy
    finally:
        sshd.terminate()
        sshd.wait(10)


@pytest.mark.parametrize("flag", ["-scp", "-sftp"])
def test_what_pscp_copies_is_told_with_its_digests(pscp, folder, flag):
    there = folder / "there"
    up = pscp(flag, "big", f"target:{there}/copy")
    down = pscp(flag, f"target:{there}/held", "held")
    assert [
        (each.operation, each.path, each.size_bytes, each.outcome) for each in up + down
    ] == [
        ("upload", f"{there}/copy", 3_000_001, "ok"),
        ("download", f"{there}/held", 1_234_567, "ok"),
    ]
    assert [each.sha256 for each in up + down] == [
        digest(there / "copy"),
        digest(there / "held"),
    ]
