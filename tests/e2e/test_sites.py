"""Engine and control node as processes of their own, a real broker between them.

The control node stores as well, for its database is SQLite.
"""

import datetime as dt
import os
import re
import signal
import threading
import time
from functools import partial

from peers.display import Display
from peers.freerdp import Shadow, rdp_login
from peers.needed import wait_until
from peers.rabbitmq import PASSWORD, USER
from peers.site import LATEST_S, Node, Site, Typist


def test_a_session_through_an_engine_is_recorded_by_the_control_node(site: Site):
    login = site.control.login("web")
    output = login.run("echo hello; exit 3")
    assert (output.status, output.stdout) == (3, b"hello\n")
    recording = site.control.recorded()
    assert recording.row["complete"]
    assert recording.export("output") == b"hello\n"
    assert recording.verify() == 0


def test_people_log_on_and_launch_at_an_engine_with_their_own_password(site: Site):
    site.control.forget_sessions()
    password = "Correct-Horse-9-Battery"
    straight = site.control.dress("", "alice%web", password).run("echo hello; exit 3")
    assert (straight.status, straight.stdout) == (3, b"hello\n"), straight.said
    terminal = site.control.dress("", "alice", password)
    launched = terminal.run("launch web", typed=b"echo hello; exit 4\n")
    assert (launched.status, launched.stdout) == (4, b"hello\n"), launched.said
    assert b"web " in terminal.run("search").stdout
    refused = site.control.dress("", "alice", "a wrong guess of it").run("search")
    assert refused.status == 255
    assert site.control.recorded().verify() == 0


def test_a_desktop_through_an_engine_is_recorded_by_the_control_node(
    site: Site, shadow_server: Shadow, desk: Display
):
    target = ("--port", str(shadow_server.port), "--username", shadow_server.username)
    site.control.add_target(
        *("desk", *target, "--password-stdin"),
        typed=shadow_server.password + "\n",
        protocol="rdp",
    )
    viewer = rdp_login(site.control, "desk").view(desk, "/sec:nla")
    try:
        viewer.shows(shadow_server.colour)
    finally:
        viewer.close()
    recording = site.control.recorded()
    assert (recording.row["protocol"], recording.row["complete"]) == ("rdp", True)
    assert recording.events("desktop_started")
    assert recording.verify() == 0


def test_an_engine_tells_its_operator_how_it_is(site: Site):
    with Typist(site.control.login("web")) as typist:
        typist.type()
        status = site.engine.json("status")
        assert status["role"] == "engine"
        assert status["engine"] == (site.engine.state / "engine.id").read_text().strip()
        assert (status["site"], status["broker"], status["problems"]) == ("default", True, [])
        # What ended before is stored a moment before the engine forgets it.
        wait_until(
            lambda: site.engine.json("status")["live_sessions"] == 1, "not one live session"
        )

        def fills() -> bool:
            typist.type()
            return site.engine.json("status")["spool_bytes"] > 0

        wait_until(fills, "nothing lies in the spool")
        typist.leave()
    site.control.recorded()
    wait_until(
        lambda: re.search(r"last_receipt_at +20\d\d-", site.engine.cli("status").text),
        "no receipt is shown",
    )
    refused = site.engine.cli("session", "list", check=False)
    assert refused.status == 5
    assert "run this on the control node" in refused.said


def test_the_key_of_receipts_is_rotated_while_engines_work(site: Site):
    said = site.control.cli("rotate-storage-key").said
    assert "once these engines have fetched it: engine-" in said
    site.engine.restart()  # It asks whom to believe at its start, and then every minute.
    wait_until(
        lambda: "storage.key_rotated" in site.control.cli("audit", "list").text,
        "the key did not take over",
    )
    wait_until(
        lambda: b"storage.key_rotated" in site.control.log.read_bytes(),
        "the worker does not sign with it",
    )
    assert site.control.login("web").run("echo hello").status == 0
    recording = site.control.recorded()
    assert recording.row["complete"]
    assert recording.verify() == 0
    wait_until(lambda: site.engine.json("status")["unshipped_chunks"] == 0, "no receipt came")


def test_a_new_password_of_the_broker_is_taken_by_a_reload(site: Site):
    nodes = (site.engine, site.control)
    with Typist(site.control.login("web")) as typist:
        typist.type()
        try:
            reload_password(nodes, "another sesame")
            typist.type()
            site.vhost.broker.ctl("eval", f"{change_password('another sesame')}, {CUT_ALL}.")
            wait_until(
                lambda: all(node.asked("/readyz")[0] == 200 for node in nodes),
                "not connected again",
            )
            typist.type()
        finally:
            reload_password(nodes, PASSWORD)
            site.vhost.broker.ctl("eval", f"{change_password(PASSWORD)}.")
        typist.leave()
    assert site.control.recorded(seconds=60).row["complete"]


CUT_ALL = (
    '[rabbit_networking:close_connection(P, "new password")'
    " || P <- rabbit_networking:connections()]"
)


def change_password(password: str) -> str:
    words = f'<<"{USER}">>, <<"{password}">>, <<"test">>'
    return f"rabbit_auth_backend_internal:change_password({words})"


def reload_password(nodes: tuple[Node, ...], password: str) -> None:
    for node in nodes:
        reloads = node.log.read_bytes().count(b"settings.reloaded")
        (node.folder / "bus-password").write_text(f"{password}\n")
        os.kill(node.pid, signal.SIGHUP)
        wait_until(partial(has_reloaded, node, reloads + 1), "no reload")


def has_reloaded(node: Node, times: int) -> bool:
    return node.log.read_bytes().count(b"settings.reloaded") >= times


def test_operators_reach_sessions_on_another_node(site: Site):
    with Typist(site.control.login("web")) as typist:
        typist.type()
        live = site.control.live()
        assert live.row["engine"] == (site.engine.state / "engine.id").read_text().strip()
        site.control.cli("session", "terminate", live.id, "--reason", "enough")
        typist.wait_until_thrown_out()
        assert b"enough" in typist.seen
        recording = site.control.recorded()
        assert (recording.row["end_reason"], recording.row["complete"]) == ("terminated", True)


def test_a_revoked_credential_ends_what_it_opened_at_another_node(site: Site):
    login = site.control.login("web")
    with Typist(login) as typist:
        typist.type()
        site.control.cli("credential", "revoke", login.id)
        typist.wait_until_thrown_out()
        assert site.control.recorded().row["complete"]


def test_a_broker_that_is_frozen_is_sat_out_for_nine_seconds_and_ten_end_the_session(
    site: Site,
):
    broker = site.vhost.broker
    with Typist(site.control.login("web")) as typist:
        typist.type()
        # Not once enough was typed: what is typed takes longer than its pauses.
        thawing = threading.Timer(9, broker.thaw)
        broker.freeze()
        thawing.start()
        while thawing.is_alive():
            typist.type()
            thawing.join(1)
        time.sleep(3)
        typist.type()
        assert typist.process.poll() is None, "the session did not survive nine seconds"
        frozen_at = dt.datetime.now(dt.UTC)
        broker.freeze()
        try:
            typist.wait_until_thrown_out()
        finally:
            broker.thaw()
        assert b"can no longer be recorded" in typist.seen
        recording = site.control.recorded(seconds=60)
        assert (recording.row["end_reason"], recording.row["complete"]) == (
            "recording_lost",
            True,
        )
        assert 10 <= recording.ended_s_after(frozen_at) <= LATEST_S
        assert recording.export("output").startswith(typist.expected)


def test_a_killed_broker_loses_nothing_of_a_session_that_goes_on(site: Site):
    broker = site.vhost.broker
    with Typist(site.control.login("spooled")) as typist:
        typist.type()
        broker.kill9()
        for _ in range(5):
            typist.type()
            time.sleep(0.5)
        broker.start()
        typist.type()
        typist.leave()
        recording = site.control.recorded(seconds=60)
        assert (recording.row["state"], recording.row["complete"]) == ("finished", True)
        assert recording.export("output") == typist.expected


def test_a_killed_control_node_loses_nothing_of_a_session_that_goes_on(site: Site):
    with Typist(site.control.login("spooled")) as typist:
        for killed in (False, True, True):
            typist.type()
            if killed:
                site.control.kill9()
                typist.type()
                time.sleep(1.5)
                site.control.start()
        typist.type()
        typist.leave()
        recording = site.control.recorded(seconds=60)
        assert (recording.row["state"], recording.row["complete"]) == ("finished", True)
        assert recording.export("output") == typist.expected


def test_a_killed_engine_loses_nothing_that_its_user_saw(site: Site):
    with Typist(site.control.login("web")) as typist:
        for _ in range(3):
            typist.type()
        site.engine.kill9()
        typist.wait_until_thrown_out()
        site.engine.start()
        recording = site.control.recorded(seconds=60)
        assert (recording.row["state"], recording.row["complete"]) == ("interrupted", True)
        assert recording.export("output").startswith(typist.expected)


def test_an_engine_listens_without_the_broker_and_says_so(site: Site):
    site.vhost.broker.kill9()
    site.engine.restart()
    try:
        assert "the broker is out of reach" in site.engine.status_line()
        refused = site.engine.dress("none", "nobody-here", "wrong").run("true")
        assert refused.status == 255
    finally:
        site.vhost.broker.start()
    login = site.control.login("web")
    wait_until(lambda: login.run("true").status == 0, "no login after the outage", seconds=30)


def test_operators_see_the_engines_that_are_there(site: Site):
    name = (site.engine.state / "engine.id").read_text().strip()
    wait_until(
        lambda: f"{name} at default" in site.control.json("status")["engines"],
        "the engine was not heard of",
    )
    assert site.control.json("bus", "dead-letters", "list") == []
