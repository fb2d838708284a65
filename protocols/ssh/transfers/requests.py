"""What a request on a channel is about to do with files, as far as its command tells.

    subsystem sftp, sftp-server     judged request by request, where systems have it
    scp -t                          an upload, judged file by file where rules go by paths
    scp -f                          a download of what it names
    rsync --server [--sender]       an upload [a download]
    git-receive-pack, -upload-pack  an upload, a download
    anything else                   both, of nobody knows what

A command is taken for one of these only if it can be nothing else, whatever shell reads it.
"""

import re
import shlex
from collections.abc import Iterable
from typing import Final

from bus.file_rules import Direction, FileRule
from protocols.ssh.channel_policy import is_scp
from protocols.ssh.commands.rules import Found
from protocols.ssh.files import SCPCommand, scp_command
from protocols.ssh.transfers.rules import BOTH, FileRules, whole_path
from protocols.ssh.transfers.scp_gate import SCPGate
from protocols.ssh.transfers.sftp_gate import SFTPGate

Gate = SFTPGate | SCPGate

_UPLOAD, _DOWNLOAD = Direction.UPLOAD, Direction.DOWNLOAD
_PLAIN: Final = r"[A-Za-z0-9_./@%+,=:~-]"
_SFTP_SERVER: Final = re.compile(
    # Anywhere else it could be somebody's own program.
    r"/usr/(?:local/)?lib(?:exec|64)?/(?:openssh/|ssh/|misc/)?sftp-server"
)
_PLAIN_SCP: Final = re.compile(rf"(?:{_PLAIN}|[ '\"])*")
_RSYNC: Final = re.compile(
    # Without -s: what is asked for would come on the channel. `e` has the rest for itself.
    r"rsync --server(?P<sender> --sender)?"
    r"(?: -[ACDEHIJKLNOPRSUWXbcdgklmnopqrtuvxyz]*(?:e[.0-9][.0-9A-Za-z]*)?"
    r"| --(?:delete(?:-before|-during|-delay|-after|-excluded|-missing-args)?|numeric-ids"
    r"|inplace|partial|ignore-times|size-only|existing|ignore-existing|ignore-errors|force|append|mkpath"
    r"|append-verify|omit-dir-times|omit-link-times|stats|fsync|preallocate|no-implied-dirs"
    r"|(?:bwlimit|timeout|max-size|min-size|max-delete|modify-window|compress-level|checksum-seed)"
    r"=[0-9.kKmMgG+-]+|(?:checksum-choice|compress-choice)=[a-z0-9,]+))*"
    rf"(?: (?!-)(?:{_PLAIN}|\\[ *?\[\]])+)*"
)
_GIT: Final = re.compile(
    rf"git[ -](?P<what>receive-pack|upload-pack|upload-archive) '?{_PLAIN}+'?"
)


class Transfers:
    """What a secret's rules about files say of requests. Raises `GlobError`."""

    def __init__(self, rules: Iterable[FileRule]) -> None:
        self._rules = FileRules(rules)

    @property
    def any(self) -> bool:
        """Whether there is a rule at all."""
        return self._rules.any

    def judge(self, kind: str, detail: str, *, terminal: bool) -> Found | None:
        """Say why something may not be started, if it may not."""
        if terminal and kind != "shell":
            # A terminal edits what passes (erase, kill, literal next): what runs would read
            # something else than what was judged.
            return self._judge_both(f"a {kind} {detail} on a terminal")
        if kind == "exec" and not _is_sftp(kind, detail):
            return self._judge_command(detail)
        # At a terminal somebody looks; without one, a shell is a command like any other.
        known = terminal if kind == "shell" else _is_sftp(kind, detail)
        return None if known else self._judge_both(f"a {kind} {detail}".rstrip())

    def gate(self, kind: str, detail: str) -> Gate | None:
        """Return what judges file by file on the channel of something that may be started."""
        if _is_sftp(kind, detail):
            return SFTPGate(self._rules)
        if kind == "exec" and is_scp(detail.encode()) and self._rules.name_paths(_UPLOAD):
            command = _copies(detail)
            return SCPGate(self._rules, command) if command and not command.sends else None
        return None

    def _judge_command(self, command: str) -> Found | None:
        if is_scp(command.encode()):
            return self._judge_scp(command)
        direction = _direction_of_tree(command)
        if direction is None:
            return self._judge_both(command)
        return self._judge_tree(direction, command)

    def _judge_both(self, told: str) -> Found | None:
        found = (self._rules.judge(direction, None, f"by {told}") for direction in BOTH)
        return next(filter(None, found), None)

    def _judge_tree(self, direction: Direction, told: str) -> Found | None:
        return self._rules.judge(direction, None, f"by {told}")

    def _judge_scp(self, detail: str) -> Found | None:
        directions = _directions(detail)
        if len(directions) > 1:
            return self._judge_both(detail)
        [direction] = directions
        if not self._rules.name_paths(direction):
            return self._judge_tree(direction, detail)
        command = _copies(detail)
        if command is None or not command.path.startswith("/"):
            return self._judge_tree(direction, detail)
        if command.sends:
            return self._rules.judge(direction, whole_path(command.path, None), command.path)
        return None


def _direction_of_tree(command: str) -> Direction | None:
    if found := _RSYNC.fullmatch(command):
        return _DOWNLOAD if found["sender"] else _UPLOAD
    if found := _GIT.fullmatch(command):
        return _UPLOAD if found["what"] == "receive-pack" else _DOWNLOAD
    return None


def _is_sftp(kind: str, detail: str) -> bool:
    if kind == "subsystem":
        return detail == "sftp"
    return kind == "exec" and _SFTP_SERVER.fullmatch(detail) is not None


def _directions(detail: str) -> set[Direction]:
    """Return which ways an scp may copy: the option that says it may hide among others."""
    letters = "".join(word for word in detail.split() if word.startswith("-"))
    return {way for mark, way in {"t": _UPLOAD, "f": _DOWNLOAD}.items() if mark in letters}


def _copies(detail: str) -> SCPCommand | None:
    """Return what scp copies; None where its words do not say that without doubt."""
    if not _PLAIN_SCP.fullmatch(detail):
        return None
    try:
        words = shlex.split(detail)[1:]
    except ValueError:
        return None
    flags = [word for word in words if word.startswith("-")]
    if len(words) != len(flags) + 1 or words[:-1] != flags:
        return None
    command = scp_command(words)
    takes_folder_away = command is not None and command.sends and "r" in "".join(flags)
    return None if takes_folder_away else command
