"""A session that a real ssh client had, in the player's page of its daemon."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from msgspec.structs import replace
from peers import chromium
from peers.chromium import AUDITOR, Visit, add_auditor
from peers.daemon import Daemon, MakeDaemon
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.recording import Recording
from peers.terminal import Terminal
from playwright.sync_api import Browser, Page
from samples.chunks import INFO
from samples.desktops import recorded
from samples.planted import plant

from recorder.events import (
    ChannelOpened,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
)
from recorder.session_info import TargetProtocol

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
COMMANDS = (
    "echo first-words",
    f'echo "{HOSTILE}"',
    r"printf '\033]2;%s\007\033]52;c;aGk=\007\033[6n' '<b>title</b>'",
    "cat /etc/shadow; echo shadow-read",
    "sleep 7; echo after-the-pause",
    "cat /etc/shadow; echo last-words",
)
SECONDS_NEAR = 1.5


@dataclass(frozen=True)
class Played:
    daemon: Daemon
    recording: Recording


@pytest.fixture(scope="module")
def played(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Played:
    """One shell, in chunks of three seconds so that there are screens to jump to."""
    daemon = make_daemon(page=True, PROXYD_RECORDER__CHUNK_INTERVAL_S="3")
    daemon.add_secret("web", openssh_server)
    add_auditor(daemon)
    login = daemon.login("web")
    shell = Terminal(login.ssh("-tt"), env=login.env)
    shell.expect(r"2004h.*\$ ")
    shell.enter("PS1='% '; stty -echoctl")
    shell.expect("2004h% ")
    for command in COMMANDS:
        shell.settle()  # Nobody types two commands in one moment.
        shell.enter(command)
        shell.expect("2004h% ")
    shell.settle()
    shell.enter("exit")
    shell.wait()
    recording = daemon.recorded()
    daemon.indexed()
    return Played(daemon, recording)


@pytest.fixture(scope="module")
def three_channels(played: Played) -> str:
    """A command and two terminals, one after the other."""
    info = replace(INFO, session_id=uuid4())
    events: list[KnownEvent] = [SessionStarted(at_ms=0, info=info)]
    for channel, text in enumerate((b"said-by-a-command", b"first-screen", b"second-screen")):
        at_ms = 2000 * channel
        events.append(ChannelOpened(at_ms=at_ms, channel=channel, kind="session"))
        if channel:
            size = TerminalRequested(
                at_ms=at_ms, channel=channel, terminal="xterm", columns=80, rows=24
            )
            events.append(size)
        events.append(TargetData(at_ms=at_ms + 1, channel=channel, data=text))
    end = SessionEnded(at_ms=9000, reason=EndReason.CLIENT_LEFT)
    plant(played.daemon.config, info.session_id, [[*events, end]])
    return str(info.session_id)


@pytest.fixture(scope="module")
def long(played: Played) -> str:
    """Three hours of which each two minutes show where they are."""
    info = replace(INFO, session_id=uuid4(), user="lena")
    size = TerminalRequested(at_ms=2, channel=0, terminal="xterm", columns=80, rows=24)
    opened = ChannelOpened(at_ms=1, channel=0, kind="session")
    parts: list[list[KnownEvent]] = [[SessionStarted(at_ms=0, info=info), opened, size]]
    for minute in range(0, 180, 2):
        shown = b"\x1b[H\x1b[Jminute-%d" % minute
        at_ms = minute * 60_000 + 10
        parts.append([TargetData(at_ms=at_ms, channel=0, data=shown)])
    end = SessionEnded(at_ms=180 * 60_000, reason=EndReason.CLIENT_LEFT)
    plant(played.daemon.config, info.session_id, [*parts[:-1], [*parts[-1], end]])
    played.daemon.login("web").run("true")  # Whatever comes makes the daemon look for more.
    played.daemon.indexed()
    return str(info.session_id)


@pytest.fixture(scope="module")
def desktop(played: Played) -> str:
    """A session of xfreerdp and xrdp, recorded earlier."""
    target = replace(INFO.target, protocol=TargetProtocol.RDP, port=3389)
    info = replace(INFO, session_id=uuid4(), user="<i>ana</i>", target=target)
    events = [SessionStarted(at_ms=0, info=info), *recorded("us")]
    end = SessionEnded(at_ms=events[-1].at_ms, reason=EndReason.CLIENT_LEFT)
    plant(played.daemon.config, info.session_id, [[*events, end]])
    return str(info.session_id)


@pytest.fixture(scope="module")
def visit(chromium: Browser, played: Played) -> Iterator[Visit]:
    visit = Visit.begun(chromium, played.daemon, viewport={"width": 1280, "height": 900})
    visit.log_in(*AUDITOR)
    yield visit
    visit.context.close()


def opened(visit: Visit, played: Played, query: str = "") -> Page:
    """The session's page, once it can be played."""
    visit.complaints.clear()
    page = visit.go(f"/sessions/{played.recording.id}{query}")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    return page


def at(page: Page) -> float:
    """Where the player is, in seconds of the session."""
    return float(page.evaluate("document.querySelector('[data-play]').page.real"))


def lines(page: Page) -> list[str]:
    return page.locator('[data-part="lines"] span').all_inner_texts()


def screen(page: Page) -> str:
    return page.inner_text(".ap-term")


def until(page: Page, condition: str) -> None:
    chromium.until(page, f"(page => {condition})(document.querySelector('[data-play]').page)")


def shows(page: Page, text: str) -> None:
    wait_until(lambda: text in screen(page), f"the screen never shows {text}")


def time_of(played: Played, text: str, kind: str = "command") -> float:
    hits = played.daemon.json("session", "search", text, "--in", kind)
    return min(hit["at_ms"] for hit in hits if hit["kind"] == kind) / 1000
