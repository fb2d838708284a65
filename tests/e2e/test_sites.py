"""Engine and control node as processes of their own, a real broker between them.

The control node stores as well, for its database is SQLite.
"""

import time

from peers.display import Display
from peers.freerdp import Shadow, rdp_login
from peers.needed import wait_until
from peers.site import Site, Typist


def test_a_session_through_an_engine_is_recorded_by_the_control_node(site: Site):
    login = site.control.login("web")
    output = login.run("echo hello; exit 3")
    assert (output.status, output.stdout) == (3, b"hello\n")
    recording = site.control.recorded()
    assert recording.row["complete"]
    assert recording.export("output") == b"hello\n"
    assert recording.verify() == 0


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


def test_operators_reach_sessions_on_another_node(site: Site):
    with Typist(site.control.login("web")) as typist:
        typist.type()
        live = site.control.live()
        assert live.row["engine"] == (site.engine.state / "engine.id").read_text().strip()
        site.control.cli("session", "terminate", live.id, "--reason", "enough")
        typist.wait_until_thrown_out(5)
        assert b"enough" in typist.seen
        recording = site.control.recorded()
        assert (recording.row["end_reason"], recording.row["complete"]) == ("terminated", True)


def test_a_revoked_credential_ends_what_it_opened_at_another_node(site: Site):
    login = site.control.login("web")
    with Typist(login) as typist:
        typist.type()
        site.control.cli("credential", "revoke", login.id)
        typist.wait_until_thrown_out(5)
        assert site.control.recorded().row["complete"]


def test_a_broker_that_is_frozen_is_sat_out_for_nine_seconds_and_ten_end_the_session(
    site: Site,
):
    broker = site.vhost.broker
    with Typist(site.control.login("web")) as typist:
        typist.type()
        broker.freeze()
        for _ in range(9):
            time.sleep(1)
            typist.type()
        broker.thaw()
        time.sleep(3)
        typist.type()
        assert typist.process.poll() is None, "the session did not survive nine seconds"
        frozen_s = time.monotonic()
        broker.freeze()
        try:
            typist.wait_until_thrown_out(15)
            ended_s = time.monotonic() - frozen_s
        finally:
            broker.thaw()
        assert 10 <= ended_s <= 11.5
        assert b"can no longer be recorded" in typist.seen
        recording = site.control.recorded(seconds=30)
        assert (recording.row["end_reason"], recording.row["complete"]) == (
            "recording_lost",
            True,
        )
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
        typist.wait_until_thrown_out(10)
        site.engine.start()
        recording = site.control.recorded(seconds=30)
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
        seconds=20,
    )
    assert site.control.json("bus", "dead-letters", "list") == []
