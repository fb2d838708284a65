"""Engine, workers and control node as processes of their own, on RabbitMQ and PostgreSQL."""

import datetime as dt
import time

from peers.needed import wait_until
from peers.postgresql import PostgreSQLServer
from peers.site import LATEST_S, Site, Typist


def test_workers_store_what_an_engine_records_and_control_shows_it(roles: Site):
    output = roles.control.login("web").run("echo hello; exit 3")
    assert (output.status, output.stdout) == (3, b"hello\n")
    recording = roles.control.recorded()
    assert recording.row["complete"]
    assert recording.export("output") == b"hello\n"
    assert recording.verify() == 0


def test_a_killed_worker_costs_nothing_while_another_runs(roles: Site):
    with Typist(roles.control.login("web")) as typist:
        for number in range(6):
            typist.type()
            roles.workers[number % 2].kill9()
            time.sleep(0.5)
            roles.workers[number % 2].start()
        typist.type()
        assert typist.process.poll() is None
        typist.leave()
        # A receipt that dies with its worker is waited for, and then the chunk is sent again.
        recording = roles.control.recorded(seconds=75)
        assert (recording.row["state"], recording.row["complete"]) == ("finished", True)
        assert recording.export("output") == typist.expected


def test_a_killed_database_loses_nothing_of_a_session_that_goes_on(
    roles: Site, mortal_postgresql: PostgreSQLServer
):
    with Typist(roles.control.login("spooled")) as typist:
        typist.type()
        mortal_postgresql.kill9()
        for _ in range(3):
            time.sleep(1)
            typist.type()
        mortal_postgresql.start()
        typist.type()
        typist.leave()
        recording = roles.control.recorded(seconds=60)
        assert (recording.row["state"], recording.row["complete"]) == ("finished", True)
        assert recording.export("output") == typist.expected


def test_without_workers_a_required_recording_ends_its_session_after_ten_seconds(roles: Site):
    with Typist(roles.control.login("web")) as typist:
        typist.type()
        # The workers may have just come back from what an earlier test did to them.
        wait_until(lambda: roles.engine.json("status")["unreachable_s"] == 0, "no worker")
        stopped_at = dt.datetime.now(dt.UTC)
        for worker in roles.workers:
            worker.kill9()
        typist.wait_until_thrown_out()
        assert b"can no longer be recorded" in typist.seen
        for worker in roles.workers:
            worker.start()
        recording = roles.control.recorded(seconds=60)
        assert recording.row["end_reason"] == "recording_lost"
        assert 10 <= recording.ended_s_after(stopped_at) <= LATEST_S
        assert recording.row["complete"]
        assert recording.export("output").startswith(typist.expected)
