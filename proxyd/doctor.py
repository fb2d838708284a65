"""Looks at everything a node needs, and changes none of it: what `proxyd doctor` prints.

Each check is one function that returns what is well, or raises `Ill` with what is wrong
and what to do. It runs beside a working node: the database is opened for reading only.
"""

import contextlib
import datetime as dt
import os
import re
import resource
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import make_url

from config.errors import ConfigError
from config.model import Settings
from control import master_key
from control.errors import ControlError
from control.gateway_keys import usable_host_keys
from control.operator_client import RunningNode
from control.requests import AskStatus, Status
from proxyd.node import check_kinds
from proxyd.surroundings import credentials_dir
from recorder.spool import REFUSE_PERCENT

MIN_FILES: Final = 4096
"""A session holds three: two sockets and its segment."""
_PIN: Final = re.compile(r"asyncssh\s*==\s*([\w.]+)")
"""`setup.cfg` names the one version whose private names `protocols.ssh.transport` knows."""
_CLOCK_SLACK_S: Final = 60
_DATABASE_TIMEOUT_S: Final = 5


class Ill(Exception):  # noqa: N818 - a diagnosis, not an error
    """Something is wrong; the message says what, and what to do."""


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found."""

    what: str
    ok: bool
    detail: str


def examine(read_settings: Callable[[], Settings]) -> Iterator[Finding]:
    """Yield a finding for each check; where the settings are ill there is only that one."""
    try:
        settings = read_settings()
        check_kinds(settings)
    except ConfigError as error:
        yield Finding(what="settings", ok=False, detail=str(error))
        return
    yield Finding(what="settings", ok=True, detail="can be used")
    for what, check in CHECKS.items():
        try:
            yield Finding(what=what, ok=True, detail=check(settings))
        except (Ill, ConfigError, ControlError, OSError) as error:
            yield Finding(what=what, ok=False, detail=str(error))


def check_state_dir(settings: Settings) -> str:
    """Look whether it is ours, and closed to others."""
    folder = settings.state_dir
    if not folder.is_dir():
        raise Ill(f"{folder} is not there: run `proxyd init`")
    status = folder.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        raise Ill(f"{folder} belongs to user id {status.st_uid}: run as that user, or as root")
    if status.st_mode & 0o077:
        raise Ill(f"{folder} is open to others: `chmod 700 {folder}`")
    return f"{folder}, closed to others"


def check_master_key(settings: Settings) -> str:
    """Look whether we can read it, and nobody else; or whether the node was given its own."""
    file = master_key.locate(settings, credentials_dir())
    status = None if file.exists() else _running(settings)
    # systemd gives its credentials to the service alone, and we are not it.
    if status is not None and status.master_key != str(file.path):
        return f"held by the running node, which read it from {status.master_key}"
    return f"{file.read().id} in {file.path}"


def check_host_keys(settings: Settings) -> str:
    """Look whether they are there, are keys, and are closed to others."""
    return ", ".join(path.name for path in usable_host_keys(settings.state_dir))


def check_database(settings: Settings) -> str:
    """Look whether it opens, and every page is what it should be."""
    path = Path(make_url(settings.database_url).database or "")
    if not path.exists():
        raise Ill(f"{path} is not there: run `proxyd init`, or restore it from a backup")
    try:
        opened = sqlite3.connect(f"file:{path}?mode=ro", _DATABASE_TIMEOUT_S, uri=True)
        with contextlib.closing(opened) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise Ill(f"{path} cannot be read ({error}): restore it from a backup") from error
    if verdict != "ok":
        raise Ill(f"{path} is damaged ({verdict}): restore it from a backup")
    return f"{path}, {path.stat().st_size} bytes, intact"


def check_spool(settings: Settings) -> str:
    """Look whether it can be written to, and has room."""
    spool = settings.state_dir / "spool"
    folder = spool if spool.is_dir() else settings.state_dir
    if not os.access(folder, os.W_OK):
        raise Ill(f"{folder} cannot be written to by user id {os.geteuid()}")
    disk = shutil.disk_usage(folder)
    percent = round(100 * disk.used / max(1, disk.used + disk.free))
    if percent >= REFUSE_PERCENT:
        raise Ill(
            f"the disk of {folder} is {percent} % full, new sessions are refused from "
            f"{REFUSE_PERCENT} % on: free space"
        )
    return f"{folder}, {disk.free} bytes free ({percent} % full)"


def check_ports(settings: Settings) -> str:
    """Look whether each address is free, or ours already."""
    addresses = [("ssh.listen", address) for address in settings.ssh.listen]
    if settings.metrics.listen:
        addresses.append(("metrics.listen", settings.metrics.listen))
    if settings.state_dir.is_dir() and RunningNode(settings.state_dir).answers():
        return "held by the running node"
    for setting, address in addresses:
        _check_free(setting, address)
    return ", ".join(address for _, address in addresses) + " can be had"


def check_node(settings: Settings) -> str:
    """Look whether the running node, if there is one, complains of anything."""
    status = _running(settings)
    if status is None:
        return "does not run"
    if status.problems:
        raise Ill("; ".join(status.problems))
    return "runs, and complains of nothing"


def check_clock(settings: Settings) -> str:
    """Look whether it is later than what was already written."""
    now = dt.datetime.now(dt.UTC)
    files = settings.state_dir.glob("*") if settings.state_dir.is_dir() else ()
    newest_s = max((path.stat().st_mtime for path in files), default=0.0)
    behind_s = newest_s - now.timestamp()
    if behind_s > _CLOCK_SLACK_S:
        raise Ill(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC and is {behind_s:.0f} s behind files "
            "that proxyd wrote: set it, and keep it set with NTP"
        )
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


def check_asyncssh(_settings: Settings) -> str:
    """Look whether it is the version whose inside we know."""
    found = version("asyncssh")
    pinned = next(filter(None, map(_PIN.match, requires("proxyd") or ())), None)
    if pinned is not None and pinned[1] != found:
        raise Ill(
            f"asyncssh is {found}, and {pinned[1]} is what was tested: install the versions of "
            "the lock file"
        )
    return f"asyncssh {found}"


def check_limits(_settings: Settings) -> str:
    """Look whether we may open enough files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MIN_FILES:
        raise Ill(
            f"only {hard} files may be open, {MIN_FILES} are wanted: raise LimitNOFILE= in "
            "the unit, or `ulimit -Hn`"
        )
    return f"{hard} open files"


CHECKS: Final = {
    "state directory": check_state_dir,
    "master key": check_master_key,
    "host keys": check_host_keys,
    "database": check_database,
    "spool": check_spool,
    "ports": check_ports,
    "node": check_node,
    "clock": check_clock,
    "asyncssh": check_asyncssh,
    "limits": check_limits,
}


def _running(settings: Settings) -> Status | None:
    """Return how the running node is, if one runs."""
    node = RunningNode(settings.state_dir)
    if not settings.state_dir.is_dir() or not node.answers():
        return None
    [status] = node.stream(AskStatus())
    return status if isinstance(status, Status) else None


def _check_free(setting: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise Ill(
                f"{setting}: {address} cannot be had ({error.strerror}): stop what uses it, "
                f"or change {setting}"
            ) from error
