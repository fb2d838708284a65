"""A real PostgreSQL: one private server a test run, one database a test."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg2
import pytest
from peers.needed import environment, free_port, program, wait_until

from storage.database import Database

_BINARIES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_TEMPLATE: Final = "template_proxyd"
# Without fsync nothing survives a power cut, yet everything survives a killed server.
_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
port = {port}
fsync = {fsync}
full_page_writes = {fsync}
shared_buffers = 64MB
max_connections = 100
max_wal_size = 512MB
deadlock_timeout = 100ms
log_line_prefix = '%m [%p] %d '
"""


class PostgreSQLServer:
    """A cluster in a folder of its own, that may be stopped and killed."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder = folder
        self._fsync = "on" if fsync else "off"
        self.port = free_port()
        self._numbers = itertools.count(1)
        self._initdb()
        self.start()

    @property
    def pid(self) -> int:
        return int((self.folder / "data/postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        self._pg_ctl("start", "-w", "-t", "50", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        self._pg_ctl("stop", "-w", "-m", mode)

    def kill9(self) -> None:
        """SIGKILL the server and every process of it, as a lost machine would."""
        os.kill(self.pid, signal.SIGSTOP)  # So that it starts no other meanwhile.
        listed = subprocess.run(
            ["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False
        )
        pids = (self.pid, *map(int, listed.stdout.split()))
        for pid in pids:
            # A child goes by itself once its postmaster has gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Whoever is left holds on to the shared memory, and the next start is refused.
        wait_until(lambda: not any(map(_exists, pids)), "PostgreSQL survived SIGKILL")
        (self.folder / "data/postmaster.pid").unlink()

    def answers(self) -> bool:
        """Say whether a query is answered."""
        try:
            self.sql("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def backends(self, role: str) -> list[int]:
        """Return the processes that serve `role`."""
        rows = self.sql(f"SELECT pid FROM pg_stat_activity WHERE usename = '{role}'")  # noqa: S608
        return [int(str(pid)) for (pid,) in rows]

    def url(self, name: str, *, user: str = "proxyd") -> str:
        return f"postgresql+psycopg2://{user}@/{name}?host={self.folder}&port={self.port}"

    def empty_database(self) -> str:
        """Return the URL of a new database without tables."""
        return self._create("template0")

    def migrated_database(self) -> str:
        """Return the URL of a new database with every table."""
        if not self._has(_TEMPLATE):
            self.sql(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0 OWNER proxyd")
            database = Database(self.url(_TEMPLATE))
            database.migrate()
            database.close()
        return self._create(_TEMPLATE)

    def drop(self, url: str) -> None:
        self.sql(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        connection = psycopg2.connect(
            host=str(self.folder), port=self.port, user="postgres", dbname=database
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _has(self, name: str) -> bool:
        return (name,) in self.sql("SELECT datname FROM pg_database")

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} OWNER proxyd")
        return self.url(name)

    def _initdb(self) -> None:
        (self.folder / "password").write_text("open sesame")
        for path in (self.folder, self.folder / "password"):
            shutil.chown(path, _user())
        self._run(
            "initdb", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8",
            "--locale=C.UTF-8", "--no-sync", "--username=postgres",
            f"--pwfile={self.folder}/password", str(self.folder / "data"),
        )  # fmt: skip
        with (self.folder / "data/postgresql.conf").open("a") as conf:
            conf.write(_SETTINGS.format(folder=self.folder, port=self.port, fsync=self._fsync))

    def _pg_ctl(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _run(self, name: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        subprocess.run(
            [binary(name), *arguments],
            user=_user(),
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _user() -> str:
    """Who the server runs as; never root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    return "nobody"


def binary(name: str) -> str:
    if _BINARIES:
        return str(_BINARIES[-1] / name)
    return program(name)


def _name(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


def database_name(url: str) -> str:
    return _name(url)


def private_server(folder: Path, *, fsync: bool = False) -> PostgreSQLServer:
    server = PostgreSQLServer(folder, fsync=fsync)
    server.sql("CREATE ROLE proxyd LOGIN PASSWORD 'open sesame'")
    return server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """One server for all tests that leave it running."""
    # Not below pytest's folder: others may not pass it, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = private_server(folder)
        yield server
        server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def mortal_postgresql() -> Iterator[PostgreSQLServer]:
    """A server for tests that stop and kill it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = private_server(folder)
        yield server
        server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql(postgresql_server: PostgreSQLServer) -> Iterator[str]:
    """The URL of a database of this test's own, with every table in it."""
    url = postgresql_server.migrated_database()
    yield url
    postgresql_server.drop(url)
