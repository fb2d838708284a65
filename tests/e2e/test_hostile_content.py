"""What was recorded of hostile people is text: to the browser, and to the terminal."""

import struct
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest
from msgspec.structs import replace
from peers.chromium import AUDITOR, Visit, add_auditor
from peers.daemon import Daemon, MakeDaemon
from peers.needed import environment, wait_until
from peers.openssh import OpenSSHServer
from peers.terminal import Terminal
from playwright.sync_api import Browser, Page
from samples.chunks import INFO
from samples.desktops import recorded
from samples.hostile import ESCAPES, MARKUP, acting, as_octal, clipboard_pdu
from samples.planted import plant

from config.load import load
from control.audit import Act
from control.open_database import open_database
from recorder.clock import SystemClock
from recorder.events import (
    ChannelOpened,
    ClientData,
    EndReason,
    FileTouched,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
)
from recorder.session_info import TargetProtocol

pytestmark = pytest.mark.peers
CLIPBOARD, REQUEST, RESPONSE, UNICODE = 1006, 4, 5, 13
NAMED = 5
"""Names that a session has: each holds a line of the corpus."""
TELL = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
SOUND = """() => ({
  ran: window.xss,
  violations: window.violations,
  foreign: document.querySelectorAll(
    "iframe, object, embed, base, [srcdoc], [autofocus]:not(#q), main form:not([method]), " +
    "main style:not(.ap-player *), main script, main link, main meta").length,
  listening: [...document.querySelectorAll("*")].filter((one) =>
    [...one.attributes].some(({ name }) => name.startsWith("on"))).length,
  linked: [...document.querySelectorAll("[href], [src], [action], [formaction]")].filter(
    (one) => ["href", "src", "action", "formaction"].some((name) =>
      /^\\s*(javascript|data|vbscript):/i.test(one.getAttribute(name) || ""))).length,
})"""
QUIET = {"ran": None, "violations": [], "foreign": 0, "listening": 0, "linked": 0}


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    made = make_daemon(page=True, PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    add_auditor(made)
    return made


@pytest.fixture(scope="module")
def shown(daemon: Daemon, touched: str, copied: str) -> tuple[str, bytes]:
    """A session that showed all of it, and what its watcher's terminal was sent.

    What was planted before is indexed with it.
    """
    printed = b"".join(octets + b"\r\n" for octets in ESCAPES.values())
    # What is still open swallows what follows, as it would in a terminal.
    printed += b"\x1b\\\x18after-the-escapes\r\n"
    titles = b"".join(b"\x1b]2;" + one.encode() + b"\x07" for one in MARKUP)
    lines = "\r\n".join(MARKUP).encode()
    printed += titles + lines + b"\r\nall-was-shown\r\n"
    script = f"stty -echo; read x; printf '{as_octal(printed)}'; read x"
    login = daemon.login("web")
    with Terminal([*login.ssh("-tt"), script], env=login.env, size=(400, 400)) as shell:
        live = daemon.live().id
        watching = subprocess.Popen(
            [*daemon.argv, "session", "watch", live],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        wait_until(lambda: followed(daemon, live), "nobody watches")
        shell.type("\r")
        shell.expect("all-was-shown")
        shell.type("\r")
        shell.wait()
    watched, said = watching.communicate(timeout=60)
    assert watching.returncode == 0, said
    return daemon.recorded().id, watched


def followed(daemon: Daemon, session: str) -> bool:
    rows = daemon.json("audit", "list", "--subject", session)
    return any(row["action"] == "session.followed" for row in rows)


@pytest.fixture(scope="module")
def typed(daemon: Daemon, shown: object) -> str:
    """A session into which all of it was typed."""
    login = daemon.login("web")
    command = "cat >/dev/null"
    with Terminal([*login.ssh("-tt"), command], env=login.env, size=(400, 50)) as shell:
        for line in MARKUP:
            shell.type(line + "\r")
        shell.type("\x04")
        shell.wait()
    return daemon.recorded().id


def planted(daemon: Daemon, info: dict[str, object], events: list[KnownEvent]) -> str:
    whole = replace(INFO, session_id=uuid4(), **info)
    start = SessionStarted(at_ms=0, info=whole)
    end = SessionEnded(
        at_ms=max((one.at_ms for one in events), default=0), reason=EndReason.CLIENT_LEFT
    )
    plant(daemon.config, whole.session_id, [[start, *events, end]])
    return str(whole.session_id)


@pytest.fixture(scope="module")
def named(daemon: Daemon) -> list[str]:
    """Sessions of people, secrets and machines with such names."""
    escaped = [octets.decode("latin-1") for octets in ESCAPES.values()]
    both = [f"{one} {other}" for one, other in zip(MARKUP[::2], MARKUP[1::2], strict=True)]
    names = [*both, *escaped]
    names += ["x"] * (-len(names) % NAMED)
    rows = [names[at : at + NAMED] for at in range(0, len(names), NAMED)]
    return [
        planted(
            daemon,
            {
                "user": user,
                "secret_name": secret,
                "client_address": address,
                "site": site,
                "target": replace(INFO.target, host=host),
            },
            [],
        )
        for user, secret, address, site, host in rows
    ]


@pytest.fixture(scope="module")
def touched(daemon: Daemon) -> str:
    """A session that moved files of such names."""
    names = MARKUP + [octets.decode("latin-1") for octets in ESCAPES.values()]
    files = [
        FileTouched(at_ms=at, channel=0, operation="upload", path=name, new_path=name)
        for at, name in enumerate(names)
    ]
    opened: list[KnownEvent] = [ChannelOpened(at_ms=0, channel=0, kind="session")]
    return planted(daemon, {}, [*opened, *files])


@pytest.fixture(scope="module")
def copied(daemon: Daemon) -> str:
    """A desktop session into whose clipboard all of it was copied."""
    events = list(recorded("clip"))
    text = "\n".join(MARKUP).encode("utf-16-le") + b"\0\0"
    ask = struct.pack("<I", UNICODE)
    at_ms = events[-1].at_ms + 1000
    asked = clipboard_pdu(REQUEST, ask, CLIPBOARD, from_client=False)
    given = clipboard_pdu(RESPONSE, text, CLIPBOARD, from_client=True)
    events += [
        TargetData(at_ms=at_ms, channel=0, data=asked),
        ClientData(at_ms=at_ms, channel=0, data=given),
    ]
    target = replace(INFO.target, protocol=TargetProtocol.RDP, port=3389)
    return planted(daemon, {"target": target}, events)


@pytest.fixture(scope="module")
def visit(chromium: Browser, daemon: Daemon) -> Iterator[Visit]:
    visit = Visit.begun(chromium, daemon)
    visit.page.add_init_script(TELL)
    visit.log_in(*AUDITOR)
    yield visit
    visit.context.close()


def is_text(visit: Visit) -> None:
    """Nothing on the page ran, was loaded or became an element."""
    assert visit.page.evaluate(SOUND) == QUIET
    assert visit.complaints == []


def indexed(visit: Visit, session: str, kind: str) -> list[str]:
    """The lines of a session that hold markup, once most of the corpus is among them."""
    address = f"{visit.address}/sessions/{session}/play/lines.json?kind={kind}&q=xss"
    found: list[str] = []

    def enough() -> bool:
        found[:] = [one["text"] for one in visit.context.request.get(address).json()]
        return len(found) > len(MARKUP) // 2

    wait_until(enough, f"there is little {kind} of {session}", seconds=40, every=0.3)
    return found


def listed(visit: Visit, session: str, name: str) -> Page:
    """The player's page with its list of one kind."""
    page = visit.go(f"/sessions/{session}?list={name}&find=xss")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    lines = page.locator('[data-part="lines"] button')
    wait_until(lambda: lines.count() > len(MARKUP) // 2, f"no list of {name}")
    return page


def test_the_corpus_is_large() -> None:
    assert len(MARKUP) >= 150
    assert len(ESCAPES) >= 100


@pytest.mark.parametrize(("name", "kind"), [("output", "output"), ("titles", "title")])
def test_what_a_target_showed_is_text(
    visit: Visit, shown: tuple[str, bytes], name: str, kind: str
) -> None:
    indexed(visit, shown[0], kind)
    listed(visit, shown[0], name)
    is_text(visit)


def test_it_is_text_on_the_player_s_screen(visit: Visit, shown: tuple[str, bytes]) -> None:
    page = visit.page
    page.evaluate("document.querySelector('[data-play]').page.go(1e6)")
    wait_until(lambda: "all-was-shown" in page.inner_text(".ap-term"), "it is not shown")
    is_text(visit)


def test_what_was_typed_is_text(visit: Visit, typed: str) -> None:
    indexed(visit, typed, "input")
    listed(visit, typed, "keys")
    is_text(visit)


@pytest.mark.usefixtures("shown")
def test_the_names_of_files_are_text(visit: Visit, touched: str) -> None:
    indexed(visit, touched, "file")
    page = visit.go("/sessions?q=xss&kind=file")
    assert page.locator("tr.hits a").count() > 0
    is_text(visit)


@pytest.mark.usefixtures("shown")
def test_what_was_copied_is_text(visit: Visit, copied: str) -> None:
    indexed(visit, copied, "clipboard")
    listed(visit, copied, "clipboard")
    is_text(visit)


def test_names_are_text_in_lists_and_on_pages(visit: Visit, named: list[str]) -> None:
    page = visit.go("/sessions")
    assert page.get_by_text("window.xss=1").count() > 20
    is_text(visit)
    for session in named[:: len(named) // 5]:
        visit.go(f"/sessions/{session}")
        is_text(visit)


def test_what_people_wrote_is_text_in_the_audit_log(visit: Visit, daemon: Daemon) -> None:
    with open_database(load(daemon.config)) as database, database.transaction() as session:
        act = Act("somebody", SystemClock().now())
        for subject, detail in zip(MARKUP[::2], MARKUP[1::2], strict=True):
            act.note(session, "session.searched", subject, detail)
    page = visit.go("/audit?who=somebody")
    assert page.get_by_text("xss").count() > len(MARKUP) // 2
    is_text(visit)


def test_what_is_watched_acts_on_no_terminal(shown: tuple[str, bytes]) -> None:
    watched = shown[1]
    assert b"all-was-shown" in watched
    assert acting(watched) == []


def test_what_is_played_acts_on_no_terminal(daemon: Daemon, shown: tuple[str, bytes]) -> None:
    played = told(daemon, "session", "play", shown[0])
    assert b"after-the-escapes" in played
    assert b"all-was-shown" in played
    assert acting(played) == []


@pytest.mark.usefixtures("named", "touched", "typed")
def test_names_and_hits_act_on_no_terminal(daemon: Daemon) -> None:
    for words in (
        ("session", "list"),
        ("session", "search", "owned"),
        ("session", "search", "upload", "--in", "files"),
        ("audit", "list"),
    ):
        said = told(daemon, *words)
        assert len(said) > 200, words
        assert acting(said) == [], words


def told(daemon: Daemon, *words: str) -> bytes:
    return subprocess.run(
        [*daemon.argv, *words], check=True, capture_output=True, timeout=60
    ).stdout


def test_the_oracle_knows_what_acts() -> None:
    for name, octets in ESCAPES.items():
        if name not in {
            "reverse video",
            "fill screen",
            "double height",
        }:  # They stay inside the screen.
            assert acting(octets), name
    assert acting("plain \x1b[1;31mred\x1b[0m ä漢\r\n".encode()) == []
