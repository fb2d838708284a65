"""Looks at what a node talks to and goes by: database, syslog server, itself, the time.

For `proxyd.doctor`. Each check returns what is well, or raises `Ill` for what must be mended
and `Doubtful` for what is worth a look; both say what to do. None changes anything.
"""

import contextlib
import ctypes
import datetime as dt
import http.client
import socket
import sqlite3
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from msgspec import Struct
from sqlalchemy import make_url, select, text

from bus.amqp import is_amqp
from bus.errors import BusUnavailableError
from bus.knock import knock
from config.errors import ConfigError
from config.model import Settings
from control.errors import ControlError
from control.open_database import reachable_database
from proxyd import broker
from storage.errors import StorageUnavailableError
from storage.migrations import NEWEST
from storage.tables import AuditRow

_DATABASE_TIMEOUT_S: Final = 5
_ASK_TIMEOUT_S: Final = 5
_CLOCK_SLACK_S: Final = 60
_EXPIRES_SOON: Final = dt.timedelta(days=30)
_TIMEX_BYTES: Final = 512
"""More than the kernel's `struct timex` has."""
_TIME_ERROR: Final = 5
"""What adjtimex(2) returns where nothing keeps the clock right."""


class Ill(Exception):  # noqa: N818 - a diagnosis, not an error
    """Something is wrong; the message says what, and what to do."""


class Doubtful(Exception):  # noqa: N818 - a diagnosis, not an error
    """Nothing fails yet; the message says what will, and what to do."""


class Readiness(Struct, frozen=True):
    """What `/readyz` says."""

    ready: bool
    why: tuple[str, ...]


def check_database(settings: Settings) -> str:
    """Look whether it opens, and is what this version works with."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return _intact(Path(url.database or ""))
    began_s = time.monotonic()
    try:
        with reachable_database(settings) as database, database.read() as session:
            session.scalar(select(AuditRow.id).limit(1))
            revision = session.scalar(text("SELECT version_num FROM alembic_version"))
    except (StorageUnavailableError, ControlError) as error:
        if "no password supplied" in str(error) and readiness(settings):
            return "used by the running node, which alone has the password"
        raise Ill(str(error)) from error
    took_ms = (time.monotonic() - began_s) * 1000
    if revision != NEWEST:
        raise Doubtful(
            f"{database.place} has schema {revision}, and this version works with {NEWEST}: "
            "restart control, which brings it up to date"
        )
    return f"{database.place}, schema {revision}, answered in {took_ms:.0f} ms"


def _intact(path: Path) -> str:
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


def check_broker(settings: Settings) -> str:
    """Look whether the broker lets us in, unless a running node could tell."""
    if not is_amqp(settings.bus.url):
        return "none: every role is in one process"
    try:
        knock(broker.connection(settings, "doctor"))
    except ConfigError as error:
        # systemd gives its credentials to the service alone, and we are not it.
        if readiness(settings) is None:
            raise Doubtful(
                f"cannot be tried from here, and no node runs that could tell: {error}"
            ) from error
        return "used by the running node, which alone has the password"
    except BusUnavailableError as error:
        raise Ill(
            f"{error}; see that it runs, that this machine reaches it, and that "
            "user, password and virtual host are right"
        ) from error
    return f"{settings.bus.url.partition('@')[2]} lets us in"


def check_syslog(settings: Settings) -> str:
    """Look whether the server that the audit trail is copied to takes a connection."""
    url = settings.audit.syslog
    scheme, _, address = url.partition("://")
    if not url:
        raise Doubtful(
            "the audit trail is copied nowhere: name a server in `[audit] syslog`, or whoever "
            "owns the database can remove what he did"
        )
    if scheme == "udp":
        return f"{url}, which tells nobody whether it listens"
    host, _, port = address.rpartition(":")
    try:
        with _connected(host.strip("[]"), int(port), settings if scheme == "tls" else None):
            return f"{url} takes connections"
    except OSError as error:
        raise Ill(
            f"{url} cannot be reached ({error}): see that the server runs; rows wait meanwhile"
        ) from error


@contextlib.contextmanager
def _connected(host: str, port: int, tls: Settings | None) -> Iterator[None]:
    with socket.create_connection((host, port), _ASK_TIMEOUT_S) as plain:
        if tls is None:
            yield
            return
        context = ssl.create_default_context(cafile=tls.audit.syslog_ca)
        with context.wrap_socket(plain, server_hostname=host):
            yield


def check_certificates(settings: Settings) -> str:
    """Look how long the certificates that the settings name are good for."""
    named = {
        "audit.syslog_ca": settings.audit.syslog_ca,
        "bus.ca_file": settings.bus.ca_file,
        "bus.certificate_file": settings.bus.certificate_file,
    }
    seen = [
        f"{setting} until {_good_until(setting, path):%Y-%m-%d}"
        for setting, path in named.items()
        if path is not None
    ]
    return ", ".join(seen) or "none are named"


def _good_until(setting: str, path: Path) -> dt.datetime:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Ill(f"{setting}: {path} is no certificate in PEM ({error})") from error
    until = min(certificate.not_valid_after_utc for certificate in certificates)
    left = until - dt.datetime.now(dt.UTC)
    if left < dt.timedelta(0):
        raise Ill(f"{setting}: {path} expired on {until:%Y-%m-%d}: replace it")
    if left < _EXPIRES_SOON:
        raise Doubtful(f"{setting}: {path} expires on {until:%Y-%m-%d}: replace it before")
    return until


def check_ready(settings: Settings) -> str:
    """Look whether the node on this machine, if one runs, can take work."""
    if not settings.metrics.listen:
        raise Doubtful("[metrics] listen is off, so nobody can ask the node")
    answer = readiness(settings)
    if answer is None:
        return "does not run"
    if not answer.ready:
        raise Ill("it can take no work: " + "; ".join(answer.why))
    return "runs, and can take work"


def readiness(settings: Settings) -> Readiness | None:
    """Return what a node on this machine answers, of whatever role; None where none does."""
    host, _, port = settings.metrics.listen.rpartition(":")
    if not port:
        return None
    asked = http.client.HTTPConnection(_local(host), int(port), timeout=_ASK_TIMEOUT_S)
    try:
        asked.request("GET", "/readyz")
        return msgspec.json.decode(asked.getresponse().read(), type=Readiness)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        asked.close()


def _local(host: str) -> str:
    """Return where to ask what listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104


def check_clock(settings: Settings) -> str:
    """Look whether it is later than what was already written, and kept right."""
    now = dt.datetime.now(dt.UTC)
    files = settings.state_dir.glob("*") if settings.state_dir.is_dir() else ()
    newest_s = max((path.stat().st_mtime for path in files), default=0.0)
    behind_s = newest_s - now.timestamp()
    if behind_s > _CLOCK_SLACK_S:
        raise Ill(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC and is {behind_s:.0f} s behind files "
            "that proxyd wrote: set it, and keep it set with NTP"
        )
    if not is_kept_right():
        raise Doubtful(
            f"{now:%Y-%m-%d %H:%M:%S} UTC, but nothing keeps it right: credentials expire by "
            "it and recordings are dated by it; `systemctl enable --now systemd-timesyncd`"
        )
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, kept by NTP"


def is_kept_right() -> bool:
    """Ask the kernel whether something keeps its clock right; True where we may not ask."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    return bool(ctypes.CDLL(None).adjtimex(timex) != _TIME_ERROR)
