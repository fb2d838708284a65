"""Many busy sessions through all roles, while whatever stands behind them is killed.

A small crowd and few kills by default. The whole of it, twenty to
forty-five minutes:

    PROXYD_SOAK=1 script/test tests/e2e/test_killed_under_load.py -s
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peers.crowd import Busy, Crowd
from peers.needed import wait_until, wanted
from peers.postgresql import PostgreSQLServer, database_name
from peers.recording import Json
from peers.site import Site

from proxyd.cli import main

FULL = wanted("PROXYD_SOAK", 0) > 0
CROWD, KILLS, OUTAGE_S = (50, 20, 60) if FULL else (6, 1, 3)
STORED_S = 30 + 20 * KILLS + 4 * CROWD
pytestmark = [pytest.mark.peers, pytest.mark.timeout(300 + KILLS * 120)]
moment = random.Random(7)  # noqa: S311 - repeatable on purpose


class Ledger:
    """What must be stored, and whether it is."""

    def __init__(self, roles: Site, folder: Path) -> None:
        self._roles, self.folder = roles, folder
        roles.control.forget_sessions()
        self._before = {row["id"] for row in roles.control.sessions()}
        self._began_s = time.monotonic()

    def rows(self) -> list[Json]:
        rows: list[Json] = self._roles.control.json("session", "list")
        return [row for row in rows if row["id"] not in self._before]

    def check(self, people: list[Busy], *states: str) -> None:
        """Nothing that anybody saw is missing; nothing is there twice; each end is honest."""
        stopped_s = time.monotonic()
        wait_until(
            lambda: all(row["state"] != "live" and row["complete"] for row in self.rows()),
            "not every session is complete",
            seconds=STORED_S,
            every=1,
        )
        stored_s = time.monotonic() - stopped_s
        rows = self.rows()
        assert {row["state"] for row in rows} <= set(states)
        outputs = {out.partition(b"\n")[0]: (row, out) for row, out in self._outputs(rows)}
        missing = [one.mark for one in people if not self._kept(one, outputs)]
        assert missing == []
        size = sum(len(one.seen) for one in people)
        sys.stderr.write(
            f"\n{len(people)} sessions, {sum(row['chunks'] for row in rows)} chunks, "
            f"{size} bytes seen, 0 lost; all stored {stored_s:.1f} s after the last left; "
            f"{stopped_s - self._began_s:.0f} s of work\n"
        )

    def _outputs(self, rows: list[Json]) -> Iterator[tuple[Json, bytes]]:
        for row in rows:
            yield row, self._export(row["id"])

    def _export(self, session_id: str) -> bytes:
        # In this process: a thousand interpreters would take longer than all the kills.
        out = self.folder / "export"
        words = ["session", "export", session_id, "--format", "output", "--out", str(out)]
        config = ["--config", str(self._roles.control.config)]
        main([*config, *words], standalone_mode=False)
        return out.read_bytes()

    @staticmethod
    def _kept(one: Busy, outputs: dict[bytes, tuple[Json, bytes]]) -> bool:
        row, output = outputs.get(one.mark.rstrip(), ({}, b""))
        if row.get("state") == "finished":
            return output == one.seen
        return output.startswith(one.seen)


@contextmanager
def at_work(
    roles: Site, name: str, folder: Path, use: str = "spooled"
) -> Iterator[tuple[Crowd, Ledger]]:
    ledger = Ledger(roles, folder)
    login = roles.control.login(use, uses=100_000)
    with Crowd(name, login, CROWD, folder) as crowd:
        yield crowd, ledger


def chunks_in(server: PostgreSQLServer, roles: Site) -> tuple[int, int]:
    """How many chunks are stored, and how many there should be by their numbers."""
    name = database_name(roles.database)
    [(stored,)] = server.sql("SELECT count(*) FROM chunks", name)
    [(numbered,)] = server.sql(
        "SELECT sum(last + 1) FROM "
        "(SELECT max(sequence) AS last FROM chunks GROUP BY session_id) AS each_session",
        name,
    )
    return int(str(stored)), int(str(numbered))


def test_killed_workers(roles: Site, tmp_path: Path, mortal_postgresql: PostgreSQLServer):
    with at_work(roles, "workers", tmp_path) as (crowd, ledger):
        for kill in range(KILLS):
            time.sleep(1 + moment.random())
            worker = roles.workers[kill % 2]
            worker.kill9()
            worker.start()
        assert crowd.inside == CROWD
        crowd.leave()
        ledger.check(crowd.people, "finished")
    stored, numbered = chunks_in(mortal_postgresql, roles)
    assert stored == numbered


def test_a_database_killed_at_commit(
    roles: Site, tmp_path: Path, mortal_postgresql: PostgreSQLServer
):
    server = mortal_postgresql
    with at_work(roles, "database", tmp_path) as (crowd, ledger):
        for kill in range(KILLS):
            # With as many sessions somebody is always about to commit.
            time.sleep(1 + moment.random())
            # One is enough: PostgreSQL then ends all the others, and recovers from its log.
            os.kill(server.backends("proxyd")[0], signal.SIGKILL)
            if kill % 4 == 0:
                wait_until(server.answers, "the database does not recover", seconds=60)
                server.kill9()
                time.sleep(1)
                server.start()
            wait_until(server.answers, "the database does not come back", seconds=60)
        assert crowd.inside == CROWD
        crowd.leave()
        ledger.check(crowd.people, "finished")
    stored, numbered = chunks_in(server, roles)
    assert stored == numbered


def test_killed_engines(roles: Site, tmp_path: Path, mortal_postgresql: PostgreSQLServer):
    ledger, people = Ledger(roles, tmp_path), []
    for kill in range(KILLS):
        with at_work(roles, f"engine{kill}", tmp_path, "web") as (crowd, _):
            time.sleep(1 + 2 * moment.random())
            roles.engine.kill9()
            crowd.wait_until_thrown_out()
            people += crowd.people
            roles.engine.start()
    ledger.check(people, "finished", "interrupted")
    stored, numbered = chunks_in(mortal_postgresql, roles)
    assert stored == numbered


def test_a_broker_that_is_away_and_one_that_is_killed(
    roles: Site, tmp_path: Path, mortal_postgresql: PostgreSQLServer
):
    broker = roles.vhost.broker
    with at_work(roles, "broker", tmp_path) as (crowd, ledger):
        time.sleep(2)
        if FULL:
            broker.kill9()
            broker.start()
            wait_until(
                lambda: all(row["chunks"] > 3 for row in ledger.rows()),
                "nothing is stored after the kill",
                seconds=STORED_S,
                every=1,
            )
        broker.stop()
        time.sleep(OUTAGE_S)
        broker.start()
        time.sleep(2)
        assert crowd.inside == CROWD
        crowd.leave()
        ledger.check(crowd.people, "finished")
    stored, numbered = chunks_in(mortal_postgresql, roles)
    assert stored == numbered


def test_a_rolling_restart(roles: Site, tmp_path: Path, mortal_postgresql: PostgreSQLServer):
    with at_work(roles, "rolling", tmp_path) as (crowd, ledger):
        for node in (*roles.workers, roles.control):
            node.restart()
            time.sleep(1)
        assert crowd.inside == CROWD
        assert roles.engine.stop() == 0
        crowd.wait_until_thrown_out()
        roles.engine.start()
        ledger.check(crowd.people, "finished", "interrupted")
        assert {row["end_reason"] for row in ledger.rows()} == {"engine_stopped"}
    stored, numbered = chunks_in(mortal_postgresql, roles)
    assert stored == numbered
