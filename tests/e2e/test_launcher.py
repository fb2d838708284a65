"""From a click on the page to a session in a real client, on the user's own machine."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from peers.certificates import Authority
from peers.chromium import Visit, violations
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import Shadow
from peers.launcher import LINK, LogInAs, UserMachine, fingerprint, seen_in_proc
from peers.needed import environment, program, wait_until
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.putty import Screen
from peers.terminal import OpenTerminal
from playwright.sync_api import Browser

from clients.launcher.answer import decode
from clients.launcher.exchange import redeem
from clients.launcher.handover import Handover
from clients.launcher.link import parse_link
from clients.launcher.registry import server_of

pytestmark = pytest.mark.peers
ALICE = ("alice", "Correct-Horse-9-Battery")
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def daemon(
    make_daemon: MakeDaemon, openssh_server: OpenSSHServer, shadow_server: Shadow
) -> Daemon:
    made = make_daemon(page=True, rdp=True, PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    made.add_secret("guarded", openssh_server)
    made.cli("access", "demand", "guarded", "comment", "ticket")
    made.add_target(
        *("desk", "--port", str(shadow_server.port), "--username", shadow_server.username),
        "--password-stdin",
        typed=shadow_server.password + "\n",
        protocol="rdp",
    )
    return made


def work_and_leave(terminal) -> None:
    """What a user does on a terminal, until he is back where he was."""
    terminal.expect("This session is recorded")
    terminal.expect(r"[$#] ")
    terminal.enter("echo from-the-$((40+2))")
    terminal.expect("from-the-42")
    terminal.enter("exit")


def test_a_click_on_the_page_ends_in_a_terminal_that_is_recorded(
    chromium: Browser,
    daemon: Daemon,
    user_machine: UserMachine,
    open_terminal: OpenTerminal,
) -> None:
    """On a machine with Python alone: the launcher itself comes from the page."""
    visit = Visit.begun(chromium, daemon, viewport=PHONE).log_in(*ALICE)
    page = visit.go("/secrets/web")
    page.get_by_role("button", name="Start session").click()
    link = page.get_by_role("link", name="Open the terminal")
    page.get_by_role("timer").filter(has_text=re.compile(r"\(0:\d\d left\)")).wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download proxyd-launcher.pyz").click()
    launcher = user_machine.home / "proxyd-launcher.pyz"
    downloading.value.save_as(launcher)
    shown = page.locator("code", has_text="register").text_content() or ""
    *python, script, verb, address, option, value = shown.split()
    assert (python, script) == (["python3"], launcher.name)
    done = run(
        [sys.executable, "-I", launcher, verb, address, option, value], env=user_machine.env
    )
    assert done.status == 0, done.said
    href = link.get_attribute("href") or ""
    assert LINK.fullmatch(href)
    terminal = open_terminal([sys.executable, "-I", launcher, href], env=user_machine.env)
    work_and_leave(terminal)
    assert terminal.wait() == 0
    recording = daemon.recorded()
    assert b"from-the-42" in recording.export("output")
    assert (recording.row["user"], recording.row["secret"]) == ("alice", "web")
    assert user_machine.left() == []
    # This browser knows no launcher, and the page stays: its policy lets it ask for one.
    link.click()
    assert page.get_by_role("heading", name="Your session").is_visible()
    assert visit.complaints == []
    visit.context.close()


def test_without_a_script_a_secret_that_demands_reasons_is_told_them(
    chromium: Browser,
    daemon: Daemon,
    user_machine: UserMachine,
    open_terminal: OpenTerminal,
) -> None:
    user_machine.register(daemon)
    visit = Visit.begun(chromium, daemon, java_script_enabled=False).log_in(*ALICE)
    page = visit.go("/secrets/guarded")
    page.get_by_label("Why").fill("the disk is full")
    page.get_by_label("Ticket number").fill("T-7")
    page.get_by_role("button", name="Start session").click()
    href = page.get_by_role("link", name="Open the terminal").get_attribute("href") or ""
    assert page.locator("dl.facts code", has_text="ssh -p").count() > 0
    terminal = open_terminal([user_machine.program, href], env=user_machine.env)
    work_and_leave(terminal)
    assert terminal.wait() == 0
    daemon.recorded()
    rows = daemon.json("audit", "list", "--subject", "guarded")
    done = {row["action"]: row for row in rows}
    assert {"launch_link.made", "launch_link.redeemed", "credential.explained"} <= set(done)
    assert done["credential.explained"]["detail"] == "comment: the disk is full; ticket: T-7"
    assert done["launch_link.redeemed"]["who"] == "alice"
    visit.context.close()


def test_nobody_else_on_the_machine_sees_link_or_password(
    daemon: Daemon,
    user_machine: UserMachine,
    log_in_as: LogInAs,
    open_terminal: OpenTerminal,
) -> None:
    """Neither in argv nor in an environment, while it runs; nor in a log or the audit trail."""
    user_machine.register(daemon)
    link = parse_link(log_in_as(daemon).link("web"))
    server = server_of(None, fingerprint(daemon))
    order = decode(redeem(link, server))
    with Handover(order.encoded(), user_machine.home / "run") as handover:
        words = [user_machine.program, "show", str(handover.path)]
        terminal = open_terminal(words, env=user_machine.env)
        terminal.expect(r"[$#] ")
        assert seen_in_proc(order.password) == []
        terminal.enter("exit")
        assert terminal.wait() == 0
    second = log_in_as(daemon).link("web")
    terminal = open_terminal([user_machine.program, second], env=user_machine.env)
    terminal.expect(r"[$#] ")
    assert seen_in_proc(parse_link(second).token) == []
    terminal.enter("exit")
    assert terminal.wait() == 0
    secrets = (order.password, link.token, parse_link(second).token)
    told = json.dumps(daemon.json("audit", "list")).encode()
    kept = [(Path("audit"), told), *daemon.bytes_of_state()]
    assert not [where for where, data in kept for one in secrets if one.encode() in data]
    assert user_machine.left() == []


def test_whoever_closes_the_window_ends_the_session_and_leaves_nothing_behind(
    daemon: Daemon,
    user_machine: UserMachine,
    log_in_as: LogInAs,
    open_terminal: OpenTerminal,
) -> None:
    user_machine.register(daemon)
    link = log_in_as(daemon).link("web")
    terminal = open_terminal([user_machine.program, link], env=user_machine.env)
    terminal.expect(r"[$#] ")
    # As a terminal does: to the launcher and to what it has started.
    os.killpg(terminal.pid, signal.SIGHUP)
    assert terminal.wait() == 128 + signal.SIGHUP
    assert daemon.recorded().row["end_reason"] == "client_left"
    assert user_machine.left() == []


def test_every_link_that_is_over_is_refused_alike(
    daemon: Daemon, user_machine: UserMachine, log_in_as: LogInAs
) -> None:
    """Used, made up, logged out, no access any more, disabled: one answer for all."""
    daemon.cli("user", "add", "bob", "--password-stdin", typed="Correct-Horse-9-Battery\n")
    daemon.cli("access", "grant", "bob", "web")
    user_machine.register(daemon)
    server = server_of(None, fingerprint(daemon))
    used = log_in_as(daemon).link("web")
    redeem(parse_link(used), server)
    leaving = log_in_as(daemon)
    logged_out = leaving.link("web")
    leaving.log_out()
    revoked = log_in_as(daemon, "bob").link("web")
    daemon.cli("access", "revoke", "bob", "web")
    daemon.cli("access", "grant", "bob", "guarded")
    made_up = used.rpartition("/")[0] + "/" + "A" * 32
    refusals = {
        name: user_machine.launch(link)
        for name, link in {
            "used": used,
            "logged out": logged_out,
            "revoked": revoked,
            "made up": made_up,
        }.items()
    }
    daemon.cli("access", "grant", "bob", "web")
    disabled = log_in_as(daemon, "bob").link("web")
    daemon.cli("user", "disable", "bob")
    refusals["disabled"] = user_machine.launch(disabled)
    assert {name: done.status for name, done in refusals.items()} == dict.fromkeys(refusals, 4)
    [said] = {done.said for done in refusals.values()}
    assert "starts nothing (any more)" in said
    assert "make another on the page" in said


def test_a_page_that_was_not_registered_starts_nothing(
    daemon: Daemon, user_machine: UserMachine, log_in_as: LogInAs
) -> None:
    link = log_in_as(daemon).link("web")
    done = user_machine.launch(link)
    assert done.status == 4
    assert f"proxyd-launcher register https://127.0.0.1:{daemon.page_port}" in done.said
    user_machine.register(daemon)
    assert user_machine.launch("unregister").status == 0
    assert user_machine.launch(link).status == 4


def test_whoever_shows_another_certificate_is_sent_nothing(
    daemon: Daemon, user_machine: UserMachine, log_in_as: LogInAs, tmp_path: Path
) -> None:
    """The link stays good: nobody was told of it."""
    page = f"https://127.0.0.1:{daemon.page_port}"
    link = log_in_as(daemon).link("web")
    other = tmp_path / "ca.pem"
    other.write_bytes(Authority(tmp_path).file.read_bytes())
    for recognised in (("--fingerprint", "ab" * 32), ("--ca", str(other)), ()):
        user_machine.launch("register", page, *recognised)
        done = user_machine.launch(link)
        assert done.status == 6, done.said
        assert "fingerprint" in done.said
    own = daemon.state / "page_certificate.pem"
    assert user_machine.launch("register", page, "--ca", str(own)).status == 0
    order = decode(redeem(parse_link(link), server_of(str(own), None)))
    assert order.secret == "web"


def test_the_desktop_starts_the_launcher_with_the_link_as_one_word(
    daemon: Daemon,
    user_machine: UserMachine,
    log_in_as: LogInAs,
    screen: Screen,
    tmp_path: Path,
) -> None:
    """By `xdg-open`, as browsers do; with no terminal it opens one of its own."""
    env = environment(**user_machine.env, DISPLAY=screen.display)
    log, hurt = tmp_path / "log", tmp_path / "hurt"
    user_machine.register(daemon, "--terminal", f"xterm -T launched -l -lf {log} -e")
    entry = user_machine.home / "d/applications/proxyd-launcher.desktop"
    assert run([program("desktop-file-validate"), entry]).said == ""
    link = log_in_as(daemon).link("web")
    argv = [program("xdg-open"), f"{link}?y=$(touch {hurt})"]
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL) as opened:
        # Whoever came from a browser has no terminal, and reads in a box what is wrong.
        screen.xdotool("windowkill", screen.window("proxyd launcher"))
        assert opened.wait(30) != 0
    argv = [program("xdg-open"), link]
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL) as opened:
        window = screen.window("launched")
        wait_until(lambda: b"$ " in log.read_bytes(), "no prompt in the window")
        assert seen_in_proc(parse_link(link).token) == [f"{opened.pid}/cmdline"]
        screen.type(window, "echo $((6*7)); exit")
        assert opened.wait(30) == 0
    assert b"42" in daemon.recorded().export("output")
    assert not hurt.exists()


def test_putty_is_started_where_it_is_preferred(
    daemon: Daemon, user_machine: UserMachine, log_in_as: LogInAs, screen: Screen
) -> None:
    """It asks for nothing: neither whether the host key is right, nor for a password."""
    user_machine.register(daemon, "--ssh", "putty")
    env = environment(**user_machine.env, DISPLAY=screen.display)
    server = server_of(None, fingerprint(daemon))
    order = decode(redeem(parse_link(log_in_as(daemon).link("web")), server))
    with Handover(order.encoded(), user_machine.home / "run") as handover:
        argv = [user_machine.program, "show", str(handover.path)]
        with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL) as launcher:
            window = screen.window("PuTTY")
            recording = daemon.live()
            wait_until(lambda: user_machine.fifos() == [], "the password's pipe is there")
            assert seen_in_proc(order.password) == []
            screen.type(window, "echo $((6*7)); exit")
            assert launcher.wait(30) == 0
    assert daemon.recorded().id == recording.id
    assert b"42" in recording.export("output")
    assert user_machine.left() == []


def test_a_desktop_is_opened_by_xfreerdp_which_knows_the_gateway(
    daemon: Daemon,
    user_machine: UserMachine,
    log_in_as: LogInAs,
    shadow_server: Shadow,
    desk: Display,
    tmp_path: Path,
) -> None:
    user_machine.register(daemon)
    env = environment(**user_machine.env, DISPLAY=desk.name)
    argv = [user_machine.program, log_in_as(daemon).link("desk")]
    log = tmp_path / "log"
    with log.open("wb") as out, subprocess.Popen(argv, env=env, stdout=out, stderr=out) as run_:
        wait_until(
            lambda: desk.screenshot().count(shadow_server.colour) > 100_000,
            "no desktop",
            seconds=60,
        )
        daemon.cli("session", "terminate", daemon.live().id, "--reason", "it was seen")
        assert run_.wait(30) == 0, log.read_text()
    assert daemon.recorded().row["protocol"] == "rdp"


def test_xfreerdp_talks_to_one_of_the_gateways_that_the_server_knows_and_to_no_other(
    daemon: Daemon,
    user_machine: UserMachine,
    log_in_as: LogInAs,
    shadow_server: Shadow,
    desk: Display,
) -> None:
    server = server_of(None, fingerprint(daemon))
    alice = log_in_as(daemon)
    order = decode(redeem(parse_link(alice.link("desk")), server))
    another, this = "ab" * 32, order.certificate_fingerprints
    other = dataclasses.replace(order, certificate_fingerprints=(another,))
    with Handover(other.encoded(), user_machine.home / "run") as handover:
        done = user_machine.launch("show", str(handover.path), DISPLAY=desk.name)
    assert done.status == 1
    assert "could not open desk" in done.said
    row = daemon.json("credential", "list")[0]
    assert (row["username"], row["used"]) == (order.username, 0)
    two = dataclasses.replace(order, certificate_fingerprints=(another, *this))
    with Handover(two.encoded(), user_machine.home / "run") as handover:
        env = environment(**user_machine.env, DISPLAY=desk.name)
        argv = [user_machine.program, "show", str(handover.path)]
        with subprocess.Popen(argv, env=env) as launcher:
            daemon.live()
            assert seen_in_proc(order.password) == []
            launcher.terminate()
    daemon.recorded()


def test_ssh_talks_to_no_other_gateway(
    daemon: Daemon, user_machine: UserMachine, log_in_as: LogInAs, openssh_server: OpenSSHServer
) -> None:
    """Its key is another one: ssh says so and is given no password."""
    server = server_of(None, fingerprint(daemon))
    order = decode(redeem(parse_link(log_in_as(daemon).link("web")), server))
    other = dataclasses.replace(order, host_keys=(openssh_server.host_key,))
    with Handover(other.encoded(), user_machine.home / "run") as handover:
        done = user_machine.launch("show", str(handover.path))
    assert done.status == 1
    assert "Host key verification failed" in done.said
    row = daemon.json("credential", "list")[0]
    assert (row["username"], row["used"]) == (order.username, 0)
