"""A launch waits for what its secret demands: somebody else's word, or a reason."""

import subprocess
import time

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import program, wait_until
from peers.output import run
from peers.own_account import answering
from peers.terminal import OpenTerminal

pytestmark = pytest.mark.peers


@pytest.fixture
def guarded(daemon: Daemon):
    daemon.cli("access", "demand", "web", "approval")
    yield daemon
    daemon.cli("access", "demand", "web")


def request_of(daemon: Daemon) -> str:
    rows = wait_for(lambda: daemon.json("access", "requests", "--pending"))
    return str(rows[0]["id"])


def wait_for(look):
    found = []

    def once() -> bool:
        found[:] = look()
        return bool(found)

    wait_until(once, "nobody asked")
    return found


def test_a_launch_waits_for_approval_and_ends_when_it_is_withdrawn(
    guarded: Daemon, alice: Login, open_terminal: OpenTerminal
):
    guarded.forget_sessions()
    took_s: list[float] = []
    # The quickest: a busy machine makes some slower, and none quicker.
    while len(took_s) < 3 and not any(one < 1 for one in took_s):
        terminal = open_terminal(
            [*alice.ssh("-tt", "-L", "1:127.0.0.1:22"), "launch web"], alice.env
        )
        terminal.expect("Somebody else has to approve")
        assert guarded.live().row["secret"] == "(terminal)"
        asked = request_of(guarded)
        guarded.cli("access", "approve", asked)
        terminal.expect(r"\$ ")
        guarded.cli("access", "withdraw", asked)
        withdrawn = time.monotonic()
        terminal.expect("the approval was withdrawn")
        assert terminal.wait() == 255
        took_s.append(time.monotonic() - withdrawn)
    assert min(took_s) < 1, took_s


def test_a_launch_that_is_refused_says_why(
    guarded: Daemon, alice: Login, open_terminal: OpenTerminal
):
    terminal = open_terminal([*alice.ssh("-tt"), "launch web"], alice.env)
    terminal.expect("Somebody else has to approve")
    guarded.cli("access", "deny", request_of(guarded), "--say", "not today")
    terminal.expect("not today")
    assert terminal.wait() == 1


def test_nothing_is_opened_or_forwarded_while_it_waits(
    guarded: Daemon, alice: Login, open_terminal: OpenTerminal
):
    guarded.forget_sessions()
    control = guarded.folder / "mux"
    shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={control}")
    terminal = open_terminal([*alice.ssh("-tt", *shared), "launch web"], alice.env)
    terminal.expect("Somebody else has to approve")
    # Where it is refused, it is not to try by another connection.
    alone = ("-o", "ProxyCommand=false")
    reuse = [program("ssh"), "-F", str(alice.config), *alone, "-S", str(control)]
    tries = [
        subprocess.Popen([*reuse, "proxy", "true"], stderr=subprocess.DEVNULL)
        for _ in range(50)
    ]
    forward = run([*reuse, "-O", "forward", "-R", "0:127.0.0.1:22", "proxy"])
    assert forward.status != 0
    assert all(one.wait(45) != 0 for one in tries)
    terminal.type("\x03")
    terminal.expect("given up")
    terminal.wait()
    refused = guarded.recorded().events("channel_refused", "request_refused")
    assert len(refused) >= 51


def test_a_reason_is_asked_for_and_kept(
    daemon: Daemon, alice: Login, open_terminal: OpenTerminal
):
    daemon.cli("access", "demand", "web", "comment", "ticket")
    try:
        terminal = open_terminal([*alice.ssh("-tt"), "launch web"], alice.env)
        answering(terminal, ("Why do you need it", "the disk is full"), ("Ticket: ", "4711"))
        terminal.expect(r"\$ ")
        terminal.type("exit\r")
        terminal.wait()
        trail = daemon.cli("audit", "list").text
        assert "comment: the disk is full; ticket: 4711" in trail
    finally:
        daemon.cli("access", "demand", "web")
