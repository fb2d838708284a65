"""Backup and restore as docs/operations.md has them: its own lines are run."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from peers.daemon import Daemon, MakeDaemon
from peers.needed import ROOT, environment
from peers.openssh import OpenSSHServer
from peers.output import Output, run
from peers.postgresql import PostgreSQLServer
from peers.recording import Recording

KEPT = ("master.key", "control-signing-key", "ssh_host_ed25519_key", "ssh_host_rsa_key")
"""What the table says to keep a copy of, beside the database and the blobs."""
SAID = "kept through the fire"


def documented(heading: str) -> list[str]:
    """The code blocks of a section."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.partition(f"{heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


class Shell:
    """A root shell of an operator: the lines are run as they stand, but for the places."""

    def __init__(self, folder: Path, daemon: Daemon, server: PostgreSQLServer) -> None:
        self._folder, self._daemon = folder, daemon
        self._places = {
            "db.example": str(server.folder),
            "/srv/recordings/": f"{folder}/recordings/",
            "/backup/recordings/": f"{folder}/backup/",
            "secret test NAME": "secret test web",
        }
        programs = folder / "bin"
        programs.mkdir()
        self._program("proxyd", f'exec {" ".join(daemon.argv)} "$@"')
        # Root becomes `postgres` by a name in a connection, which is all that counts here.
        self._program("sudo", 'test "$1 $2" = "-u postgres"; shift 2; PGUSER=postgres "$@"')
        self._env = {
            "PGHOST": str(server.folder),
            "PGPORT": str(server.port),
            "PATH": f"{programs}:{environment()['PATH']}",
        }

    def run(self, block: str) -> Output:
        for place, here in self._places.items():
            block = block.replace(place, here)
        argv = ["bash", "-euo", "pipefail", "-c", block]
        done = run(argv, cwd=self._folder, env=environment(**self._env), seconds=60)
        assert done.status == 0, done.said
        return done

    def _program(self, name: str, line: str) -> None:
        path = self._folder / "bin" / name
        path.write_text(f"#!/bin/sh -e\n{line}\n")
        path.chmod(0o755)


def recorded(daemon: Daemon, target: OpenSSHServer) -> Recording:
    daemon.add_secret("web", target)
    assert daemon.login("web").run("echo", SAID).status == 0
    return daemon.recorded()


def lose_state(daemon: Daemon, folder: Path) -> None:
    """Everything of the machine is gone, but what the operator keeps elsewhere."""
    for name in KEPT:
        shutil.copy2(daemon.state / name, folder)
    daemon.stop()
    shutil.rmtree(daemon.state)
    daemon.state.mkdir(mode=0o700)


def bring_back(daemon: Daemon, folder: Path) -> None:
    for name in KEPT:
        shutil.copy2(folder / name, daemon.state)


def test_a_database_and_its_blobs_come_back_from_a_backup(
    make_daemon: MakeDaemon,
    openssh_server: OpenSSHServer,
    postgresql_server: PostgreSQLServer,
    tmp_path: Path,
):
    server = postgresql_server
    server.sql(
        "CREATE DATABASE proxyd TEMPLATE template0 OWNER proxyd ENCODING UTF8 LOCALE 'C.UTF-8'"
    )
    blobs = tmp_path / "recordings"
    blobs.mkdir()
    daemon = make_daemon(
        PROXYD_DATABASE__URL=server.url("proxyd"), PROXYD_BLOBS__URL=f"file://{blobs}"
    )
    before = recorded(daemon, openssh_server)
    shell = Shell(tmp_path, daemon, server)
    back_up, restore, compare = documented("### With PostgreSQL and a blob store")
    shell.run(back_up)
    lose_state(daemon, tmp_path)
    shutil.rmtree(blobs)
    server.drop(server.url("proxyd"))
    shell.run(restore)
    bring_back(daemon, tmp_path)
    daemon.start()
    said = shell.run(compare).said
    assert said.count("the recording is whole, and as it was made") == 1
    assert before.id not in said
    assert before.export("output").decode() == f"{SAID}\n"
    assert daemon.login("web").run("echo", SAID).status == 0
    assert daemon.recorded().verify() == 0
    daemon.stop()
    server.drop(server.url("proxyd"))


def test_a_database_in_one_file_comes_back_from_a_backup(
    make_daemon: MakeDaemon, openssh_server: OpenSSHServer, tmp_path: Path
):
    daemon = make_daemon()
    before = recorded(daemon, openssh_server)
    copy = tmp_path / "proxyd.db"
    # What `sqlite3 proxyd.db ".backup FILE"` does.
    with (
        closing(sqlite3.connect(daemon.state / "proxyd.db")) as live,
        closing(sqlite3.connect(copy)) as kept,
    ):
        live.backup(kept)
    lose_state(daemon, tmp_path)
    bring_back(daemon, tmp_path)
    shutil.copy(copy, daemon.state / "proxyd.db")
    (daemon.state / "proxyd.db").chmod(0o600)
    daemon.start()
    assert before.verify() == 0
    assert before.export("output").decode() == f"{SAID}\n"
    assert daemon.cli("log", "verify").status == 0
