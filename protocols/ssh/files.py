"""The file ledger: what SFTP and SCP did to files, without keeping the files.

`ledger_for` looks at what was asked for on a channel and returns the ledger that reads it.
A ledger is sans-io: it is fed the bytes of both directions in the order in which they
came, in whatever pieces, and returns events. It never raises, keeps little, and adds a few
microseconds and a SHA-256 to a packet of file contents.
"""

import posixpath
import shlex
from collections.abc import Callable, Sequence

from protocols.ssh.scp_ledger import SCPCommand, SCPLedger
from protocols.ssh.sftp_ledger import SFTPLedger
from protocols.ssh.touched_files import TouchedFiles

Ledger = SFTPLedger | SCPLedger

__all__ = ["Ledger", "SCPCommand", "SCPLedger", "SFTPLedger", "ledger_for"]


def ledger_for(
    request: str,
    detail: bytes,
    channel: int = 0,
    new_touched: Callable[[int], TouchedFiles] = TouchedFiles,
) -> Ledger | None:
    """Return the ledger for a channel on which `request` passed, or None where none reads it.

    `detail` is the subsystem's name or the command, `new_touched` makes what takes down
    what was done on a channel.
    """
    if request == "subsystem":
        return SFTPLedger(channel, new_touched) if detail == b"sftp" else None
    if request != "exec":
        return None
    words = _words(detail.decode("utf-8", "replace"))
    names = [posixpath.basename(word) for word in words]
    if "sftp-server" in names:
        return SFTPLedger(channel, new_touched)
    if "scp" not in names:
        return None
    command = scp_command(words[names.index("scp") + 1 :])
    return SCPLedger(command, channel, new_touched) if command else None


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # Quotes that do not close: the target's shell will say so.
        return command.split()


def scp_command(arguments: Sequence[str]) -> SCPCommand | None:
    """Read scp's arguments on the target; None where it is not the target's end of a copy."""
    flags, paths = set[str](), list[str]()
    for position, word in enumerate(arguments):
        if word == "--":
            paths += arguments[position + 1 :]
            break
        if word.startswith("-") and len(word) > 1:
            flags.update(word[1:])
        else:
            paths.append(word)
    if not flags & {"t", "f"}:
        return None
    path = paths[0] if paths else "."
    return SCPCommand(sends="f" in flags, folder="d" in flags, path=path)
