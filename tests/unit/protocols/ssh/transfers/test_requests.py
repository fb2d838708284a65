"""What commands are about to do with files, as far as they tell."""

import pytest

from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.ssh.transfers.requests import Transfers
from protocols.ssh.transfers.rules import BOTH
from protocols.ssh.transfers.scp_gate import SCPGate
from protocols.ssh.transfers.sftp_gate import SFTPGate


def transfers(verdict: str, glob: str = "**", *ways: Direction) -> Transfers:
    rule = FileRule(name="it", verdict=FileVerdict(verdict), directions=ways or BOTH, glob=glob)
    return Transfers([rule])


NO_UPLOADS = transfers("refuse", "**", Direction.UPLOAD)
NO_DOWNLOADS = transfers("refuse", "**", Direction.DOWNLOAD)
BY_PATH = transfers("allow", "/srv/**")

UPLOADS = [
    "scp -t /srv/x",
    "scp -r -p -t -- /srv/x",
    "scp -d -t .",
    "rsync --server -vlogDtpre.iLsfxCIvu . /srv/x",
    "rsync --server -logDtpre.iLsfxCIvu --delete-during --numeric-ids --timeout=30 . x/",
    "git-receive-pack '/srv/x.git'",
]
DOWNLOADS = [
    "scp -f /srv/x",
    "scp -r -f '/srv/x y'",
    "scp -f a b",
    "rsync --server --sender -vlogDtpre.iLsfxCIvu . /srv/x",
    r"rsync --server --sender -e.LsfxC . /srv/\*.txt",
    "git-upload-pack '/srv/x.git'",
    "git upload-pack x.git",
]
NOBODY_KNOWS = [
    "cat /etc/passwd",
    "scp -t -f /srv/x",
    "scp -tf /srv/x",
    "scp -t x -f y",
    "scp -t x; cat y",
    "rsync --server -s",
    "rsync --server -vse.iLsfxCIvu . x",
    "rsync --server . x --sender",
    "rsync --server . x -s",
    "rsync --server -e sh . x",
    "rsync --server --sender --remove-source-files . x",
    "rsync --server --log-file=x . x",
    "rsync --server . x; id",
    "rsync --daemon",
    "git-upload-pack 'x' ; id",
    "test -x /usr/lib/sftp-server && exec /usr/lib/sftp-server",
    "sudo /usr/lib/sftp-server",
    "/srv/in/sftp-server",
    "/usr/lib/../../srv/in/sftp-server",
    "",
]


@pytest.mark.parametrize("command", UPLOADS)
def test_an_upload_is_taken_for_one(command: str):
    assert NO_UPLOADS.judge("exec", command, terminal=False)
    assert NO_DOWNLOADS.judge("exec", command, terminal=False) is None


@pytest.mark.parametrize("command", DOWNLOADS)
def test_a_download_is_taken_for_one(command: str):
    assert NO_DOWNLOADS.judge("exec", command, terminal=False)
    assert NO_UPLOADS.judge("exec", command, terminal=False) is None


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("command", NOBODY_KNOWS)
def test_whatever_else_runs_may_go_either_way(command: str, terminal: bool):  # noqa: FBT001
    for rules in (NO_UPLOADS, NO_DOWNLOADS, BY_PATH):
        assert rules.judge("exec", command, terminal=terminal)
        assert rules.gate("exec", command) is None


def test_a_shell_needs_somebody_who_looks():
    assert NO_UPLOADS.judge("shell", "", terminal=True) is None
    assert NO_UPLOADS.judge("shell", "", terminal=False)


def test_no_subsystem_but_sftp_is_known():
    assert NO_UPLOADS.judge("subsystem", "netconf", terminal=False)
    assert NO_UPLOADS.judge("subsystem", "sftp", terminal=False) is None
    assert isinstance(NO_UPLOADS.gate("subsystem", "sftp"), SFTPGate)
    assert isinstance(NO_UPLOADS.gate("exec", "/usr/lib/openssh/sftp-server"), SFTPGate)


@pytest.mark.parametrize(
    ("command", "permitted"),
    [
        ("scp -f /srv/x", True),
        ("scp -f '/srv/a b'", True),
        ("scp -f /srv/../etc/x", False),
        ("scp -f /etc/x", False),
        ("scp -f /srv/*", False),
        ("scp -f /srv/{a,../etc/x}", False),
        ("scp -f srv/x", False),
        ("scp -r -f /srv/x", False),
        ("scp -f /srv/x /etc/x", False),
        ("scp -f -- /srv/x", True),
        ("scp -t /srv/x", True),
        ("scp -t x", False),
        ("rsync --server . /srv/x", False),
        ("rsync --server --sender . /srv/x", False),
    ],
)
def test_rules_by_path_want_to_know_the_path(command: str, permitted: bool):  # noqa: FBT001
    assert (BY_PATH.judge("exec", command, terminal=False) is None) is permitted


def test_an_upload_by_scp_is_judged_file_by_file_where_paths_count():
    assert isinstance(BY_PATH.gate("exec", "scp -t /srv/x"), SCPGate)
    assert BY_PATH.gate("exec", "scp -f /srv/x") is None
    assert NO_DOWNLOADS.gate("exec", "scp -t /srv/x") is None


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("subsystem", "sftp"),
        ("exec", "/usr/lib/openssh/sftp-server"),
        ("exec", "scp -t /srv/x"),
        ("exec", "git-upload-pack 'x'"),
    ],
)
def test_no_files_cross_on_a_terminal_which_edits_what_was_judged(kind: str, detail: str):
    assert BY_PATH.judge(kind, detail, terminal=False) is None or "git" in detail
    assert BY_PATH.judge(kind, detail, terminal=True)
