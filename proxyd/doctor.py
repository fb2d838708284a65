"""Looks at everything a node needs, and changes none of it: what `proxyd doctor` prints.

Each check is one function that returns what is well, or raises `Ill` with what is wrong
and what to do. It runs beside a working node: the database is opened for reading only.
"""

import os
import re
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import requires, version
from typing import Final

from msgspec import Struct

from config.errors import ConfigError
from config.model import Settings
from control import master_key
from control.errors import ControlError
from control.gateway_keys import usable_host_keys
from control.node_requests import AskStatus, Status
from control.operator_client import RunningNode
from proxyd.engine_trust import SEALING_KEY_NAME, SIGNING_KEY_NAME, TrustFile
from proxyd.kinds import check_kinds
from proxyd.neighbours import (
    Doubtful,
    Ill,
    check_broker,
    check_certificates,
    check_clock,
    check_database,
    check_ready,
    check_syslog,
    readiness,
)
from proxyd.surroundings import credentials_dir
from recorder.spool import ALARM_PERCENT, QUARANTINE, REFUSE_PERCENT, RESERVE, WARN_PERCENT

MIN_FILES: Final = 4096
"""A session holds three: two sockets and its segment."""
_PIN: Final = re.compile(r"asyncssh\s*==\s*([\w.]+)")
"""`setup.cfg` names the one version whose private names `protocols.ssh.transport` knows."""


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found."""

    what: str
    ok: bool
    detail: str
    warning: bool = False
    """Nothing fails yet, but somebody should look at it."""


class Check(Struct, frozen=True):
    """What to look at, and for which roles."""

    look: Callable[[Settings], str]
    roles: frozenset[str]


def examine(read_settings: Callable[[], Settings], role: str = "all") -> Iterator[Finding]:
    """Yield a finding for each check of a role; where the settings are ill, only that one."""
    try:
        settings = read_settings()
        check_kinds(settings)
    except ConfigError as error:
        yield Finding(what="settings", ok=False, detail=str(error))
        return
    yield Finding(what="settings", ok=True, detail="can be used")
    for what, check in CHECKS.items():
        if role in check.roles:
            yield _found(what, check, settings)


def _found(what: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(what=what, ok=True, detail=check.look(settings))
    except Doubtful as doubt:
        return Finding(what=what, ok=True, detail=str(doubt), warning=True)
    except (Ill, ConfigError, ControlError, OSError) as error:
        return Finding(what=what, ok=False, detail=str(error))


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
    if status is None and not file.exists() and readiness(settings):
        return "held by the running node"
    return f"{file.read().id} in {file.path}"


def check_host_keys(settings: Settings) -> str:
    """Look whether they are there, are keys, and are closed to others."""
    return ", ".join(path.name for path in usable_host_keys(settings.state_dir))


def check_engine_keys(settings: Settings) -> str:
    """Look whether the engine has its keys, and knows whom to believe."""
    TrustFile(settings.state_dir).read()
    found = []
    for name in (SIGNING_KEY_NAME, SEALING_KEY_NAME):
        path = settings.state_dir / name
        if not path.exists() and readiness(settings) is None:
            raise Doubtful(
                f"{path} is not there: unless it is a systemd credential, restore it from a "
                "backup, or enrol anew with `proxyd engine enrol --afresh`"
            )
        if path.exists() and path.stat().st_mode & 0o077:
            raise Ill(
                f"{path} is open to others: `chmod 600 {path}`, `proxyd engine rotate-key`"
            )
        found.append(name if path.exists() else f"{name} by systemd")
    return f"enrolled; {', '.join(found)}"


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
    if percent >= WARN_PERCENT:
        urgent = "now" if percent >= ALARM_PERCENT else "in time"
        raise Doubtful(f"the disk of {folder} is {percent} % full: free space {urgent}")
    if spool.is_dir() and not (spool / RESERVE).exists():
        raise Ill(
            f"{spool} has no reserve for the ends of recordings, because the disk was full: "
            "free space, and it is made again"
        )
    damaged = list((spool / QUARANTINE).glob("*"))
    if damaged:
        raise Doubtful(
            f"{len(damaged)} damaged files in {spool / QUARANTINE}: parts of recordings are "
            "missing; check the disk, keep the files elsewhere and delete them here"
        )
    return f"{folder}, {disk.free} bytes free ({percent} % full)"


def check_ports(settings: Settings) -> str:
    """Look whether each address of the gateways is free, or ours already."""
    ssh = _free_or_ours(settings, "ssh.listen", settings.ssh.listen)
    return f"{ssh}; {_free_or_ours(settings, 'rdp.listen', settings.rdp.listen)}"


def check_metrics_port(settings: Settings) -> str:
    """Look whether the address of the metrics is free, or ours already."""
    listen = settings.metrics.listen
    return _free_or_ours(settings, "metrics.listen", (listen,) if listen else ())


def _free_or_ours(settings: Settings, setting: str, addresses: tuple[str, ...]) -> str:
    if not addresses:
        return f"{setting} is off"
    if readiness(settings) or _runs(settings):
        return "held by the running node"
    for address in addresses:
        _check_free(setting, address)
    return ", ".join(addresses) + " can be had"


def check_node(settings: Settings) -> str:
    """Look whether the running node, if there is one, complains of anything."""
    status = _running(settings)
    if status is None:
        return "does not run"
    if status.problems:
        raise Ill("; ".join(status.problems))
    return "runs, and complains of nothing"


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


_EVERY: Final = frozenset({"all", "engine", "worker", "control"})
_ENGINE: Final = frozenset({"all", "engine"})
_CONTROL: Final = frozenset({"all", "control"})
_STORAGE: Final = frozenset({"all", "control", "worker"})

CHECKS: Final = {
    "state directory": Check(check_state_dir, _EVERY),
    "master key": Check(check_master_key, _STORAGE),
    "host keys": Check(check_host_keys, _ENGINE),
    "engine keys": Check(check_engine_keys, frozenset({"engine"})),
    "database": Check(check_database, _STORAGE),
    "broker": Check(check_broker, _EVERY),
    "spool": Check(check_spool, _ENGINE),
    "ports": Check(check_ports, _ENGINE),
    "metrics port": Check(check_metrics_port, _EVERY),
    "node": Check(check_node, _CONTROL),
    "readiness": Check(check_ready, _EVERY),
    "clock": Check(check_clock, _EVERY),
    "certificates": Check(check_certificates, _EVERY),
    "syslog": Check(check_syslog, _CONTROL),
    "asyncssh": Check(check_asyncssh, _ENGINE),
    "limits": Check(check_limits, _ENGINE),
}


def _runs(settings: Settings) -> bool:
    return settings.state_dir.is_dir() and RunningNode(settings.state_dir).answers()


def _running(settings: Settings) -> Status | None:
    """Return how the running node is, if one runs that operators can ask."""
    if not _runs(settings):
        return None
    [status] = RunningNode(settings.state_dir).stream(AskStatus())
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
