"""Marked passwords and marked text, hunted wherever engine, broker and storage keep things.

The session is killed in the middle, so that nobody had the time to tidy up.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.needed import ROOT, files_under, wait_until
from peers.openssh import OpenSSHServer
from peers.postgresql import PostgreSQLServer, binary, database_name
from peers.site import Site
from peers.terminal import OpenTerminal, Terminal
from peers.wiretap import Wiretap, wiretap

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]
TARGET_PASSWORD = b"byword-Tr0ub4dor-3"
SILENT = b"canary-typed-at-a-silent-prompt"
SHOWN = b"canary-42-shown-on-the-screen"
OPERATORS = b"Correct-Horse-9-Battery"


def files_below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path, _ in files_under(folder))


def holding(needles: list[bytes], files: Iterator[Path]) -> list[tuple[str, bytes]]:
    """Which files hold which needle, as it is or in hexadecimal, as a dump shows bytes."""
    found = []
    for path in files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        found += [
            (str(path), needle)
            for needle in needles
            if needle in content or needle.hex().encode() in content
        ]
    return found


def dumped(server: PostgreSQLServer, name: str, folder: Path) -> Path:
    """What a backup of the database holds."""
    out = folder / "dump.sql"
    where = ("-h", str(server.folder), "-p", str(server.port), "-U", "postgres")
    subprocess.run([binary("pg_dump"), *where, "-f", out, name], check=True, timeout=60)
    return out


def crossed(tap: Wiretap, needles: list[bytes]) -> list[tuple[str, bytes]]:
    tap.wait_for("chunks")
    return [
        (one.exchange, needle)
        for one in tap.everything()
        for needle in needles
        if needle in one.body
    ]


def work(terminal: Terminal) -> None:
    """Show the one marked text and type the other, the second time without ending the line."""
    terminal.expect(r"\$ ")
    terminal.type("echo canary-$((40+2))-shown-on-the-screen\r")
    terminal.expect(SHOWN.decode())
    for number, (end, then_s) in enumerate((("\r", 1.5), ("", 0.3))):
        terminal.expect(r"\$ ")
        # What is typed before the echo is off would be shown, and not be ours to hide.
        terminal.type(f"stty -echo; echo silent-$(({number}+0)); read it; stty echo\r")
        terminal.expect(rf"silent-{number}\r\n")
        terminal.type(SILENT.decode() + end)
        terminal.settle(then_s)


def test_marked_secrets_are_nowhere_in_clear(
    roles: Site,
    openssh_server: OpenSSHServer,
    mortal_postgresql: PostgreSQLServer,
    open_terminal: OpenTerminal,
    tmp_path: Path,
):
    control, engine = roles.control, roles.engine
    where = ("--username", "byword", "--port", str(openssh_server.port), "--password-stdin")
    control.add_target("marked", *where, typed=f"{TARGET_PASSWORD.decode()}\n")
    cores = set(ROOT.glob("core*"))
    with wiretap(roles.vhost) as tap:
        login = control.login("marked")
        secrets = [TARGET_PASSWORD, login.password.encode(), SILENT, OPERATORS]
        work(open_terminal(login.ssh("-tt"), login.env))
        # A signal that leaves a core where one may be left.
        os.kill(engine.pid, signal.SIGABRT)
        assert engine.process is not None
        engine.process.wait(30)
        spooled = list(files_below(engine.state / "spool"))
        assert spooled
        assert holding([*secrets, SHOWN], files_below(engine.state)) == []
        engine.start()
        recording = control.recorded(seconds=30)
        heard = crossed(tap, [*secrets, SHOWN])
    assert heard == []
    assert SHOWN in recording.export("output")
    wait_until(
        lambda: control.json("session", "search", SHOWN.decode()), "not found", seconds=60
    )
    nodes = [control, engine, *roles.workers]
    assert holding([*secrets, SHOWN], iter([node.log for node in nodes])) == []
    assert holding([*secrets, SHOWN], files_below(roles.vhost.broker.folder)) == []
    states = [node.state for node in nodes if node.state.exists()]
    assert holding(secrets, files_below(*states)) == []
    mortal_postgresql.sql("CHECKPOINT")
    dump = dumped(mortal_postgresql, database_name(roles.database), tmp_path)
    # The index is legible: what was shown is there to be found.
    assert SHOWN in dump.read_bytes()
    assert holding(secrets, iter([dump])) == []
    assert holding(secrets, files_below(mortal_postgresql.folder)) == []
    assert set(ROOT.glob("core*")) == cores
