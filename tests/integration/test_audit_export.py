"""The audit trail reaches a real syslog server, whole and in order, after any outage."""

import asyncio
import contextlib
import datetime as dt
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from peers.syslog import Rsyslog
from samples.databases import new_sqlite
from samples.recordings import until
from sqlalchemy.orm import Session

from config.model import AuditSettings
from control.audit import Act
from control.audit_export import AuditExport
from recorder.clock import ManualClock
from storage.database import Database

pytestmark = pytest.mark.peers

NASTY = 'say "hi" to [web] \\ or not\nFeb 1 root: forged\x1b[2J ümläut 漢字'


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_sqlite(tmp_path / "proxyd.db")
    yield database
    database.close()


@pytest.fixture
def server(rsyslog: Rsyslog) -> Rsyslog:
    rsyslog.forget()
    return rsyslog


def note(
    database: Database, *subjects: str, action: str = "secret.added", detail: str = ""
) -> None:
    act = Act("root", dt.datetime(2026, 11, 25, 4, 5, 6, 789, tzinfo=dt.UTC))
    with database.transaction() as session:
        for subject in subjects:
            act.note(session, action, subject, detail)
            session.flush()


def settings(server: Rsyslog, kind: str, ca: str | None = "ca.pem") -> AuditSettings:
    syslog_ca = server.folder / ca if ca else None
    return AuditSettings(syslog=server.url(kind), syslog_ca=syslog_ca, syslog_timeout_s=3)


@contextlib.asynccontextmanager
async def exporting(database: Database, to: AuditSettings) -> AsyncIterator[AuditExport]:
    export = AuditExport(to, database, ManualClock())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(export.run())
        yield export
        running.cancel()


async def subjects(server: Rsyslog, count: int) -> list[str]:
    """Wait until so many arrived, and a moment for one too many."""
    for _ in range(300):
        if len(server.received()) >= count:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)
    return [row["data"]["subject"] for row in server.received()]


async def a_problem(export: AuditExport) -> None:
    for _ in range(600):
        if export.problem:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the export does not see that it fails")


async def all_is_noted(export: AuditExport) -> None:
    """Wait until the export knows of all that arrived: it notes that a moment later."""
    await until(lambda: (export.problem, export.unexported_s()) == ("", 0.0))


@pytest.mark.parametrize("kind", ["udp", "tcp", "tls"])
async def test_every_row_arrives_once_and_in_order(
    database: Database, server: Rsyslog, kind: str
):
    names = [f"web{number}" for number in range(250)]
    note(database, *names)
    async with exporting(database, settings(server, kind)) as export:
        assert await subjects(server, 250) == names
        note(database, "later")
        assert (await subjects(server, 251))[-1] == "later"
        await all_is_noted(export)


async def test_what_strangers_typed_stays_within_its_field(database: Database, server: Rsyslog):
    note(database, NASTY, action="credential.denied", detail=NASTY)
    async with exporting(database, settings(server, "tcp")):
        await subjects(server, 1)
    [row] = server.received()
    shown = NASTY.replace("\n", "\\n").replace("\x1b", "\\x1b")
    assert row["data"] == {"id": "1", "who": "root", "subject": shown, "detail": shown}
    assert (row["app"], row["msgid"], row["pri"]) == ("proxyd", "credential.denied", "108")
    assert row["at"].startswith("2026-11-25T04:05:06")
    assert row["text"].removeprefix("\ufeff") == f"root credential.denied {shown}"


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_an_outage_delays_rows_and_loses_none(
    database: Database, server: Rsyslog, kind: str
):
    note(database, "before")
    async with exporting(database, settings(server, kind)) as export:
        assert await subjects(server, 1) == ["before"]
        await all_is_noted(export)
        server.stop()
        note(database, "during1", "during2")
        await a_problem(export)
        assert export.unexported_s() != 0
        server.start()
        assert await subjects(server, 3) == ["before", "during1", "during2"]
        await all_is_noted(export)


async def test_a_row_that_is_committed_late_is_not_passed_over(
    postgresql: str, server: Rsyslog
):
    """PostgreSQL gives numbers before the commit."""
    database = Database(postgresql)
    late_has_its_number, commit = threading.Event(), threading.Event()

    def note_late() -> None:
        def late(session: Session) -> None:
            Act("ada", dt.datetime.now(dt.UTC)).note(session, "session.granted", "late")
            session.flush()
            late_has_its_number.set()
            assert commit.wait(20)

        database.write(late)

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(asyncio.to_thread(note_late))
        await asyncio.to_thread(late_has_its_number.wait, 20)
        note(database, "early")
        async with exporting(database, settings(server, "tcp")):
            await asyncio.sleep(1.5)
            assert server.received() == []
            commit.set()
            await writing
            assert await subjects(server, 2) == ["late", "early"]
    database.close()


async def test_a_restart_goes_on_where_the_last_life_ended(database: Database, server: Rsyslog):
    to = settings(server, "tcp")
    note(database, "first")
    async with exporting(database, to) as export:
        assert await subjects(server, 1) == ["first"]
        await all_is_noted(export)
    note(database, "second")
    async with exporting(database, to):
        assert await subjects(server, 2) == ["first", "second"]


async def test_a_server_that_nobody_vouches_for_is_told_nothing(
    database: Database, server: Rsyslog
):
    note(database, "private")
    async with exporting(database, settings(server, "tls", ca=None)) as export:
        await a_problem(export)
        assert "certificate verify failed" in export.problem
    assert server.received() == []


async def test_nothing_is_sent_where_no_server_is_set(database: Database):
    note(database, "kept")
    async with exporting(database, AuditSettings()) as export:
        await asyncio.sleep(0.05)
        assert (export.problem, export.unexported_s()) == ("", 0.0)
