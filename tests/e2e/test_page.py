"""The page of a real daemon in a real browser: what people do, and what keeps others out."""

import re
import socket
import ssl
from collections.abc import Iterator

import pyotp
import pytest
from peers.chromium import Visit, until, violations
from peers.daemon import Daemon, MakeDaemon
from peers.needed import program
from peers.openssh import OpenSSHServer
from peers.output import run
from playwright.sync_api import Browser

ADMIN = ("root", "Correct-Horse-9-Battery")
ALICE = ("alice", "Correct-Horse-9-Battery")
PAGES = [
    *("/secrets", "/secrets/web", "/sessions", "/sessions?q=hello", "/audit", "/status"),
    *("/admin/secrets", "/admin/secrets/new", "/admin/secrets/web", "/admin/users"),
    "/admin/secrets/ruled/rules",
    *("/admin/access", "/admin/engines", "/profile", "/profile/password", "/nothing"),
    *("/profile/second-factor", "/requests", "/secrets/guarded", "/admin/groups"),
]
PHONE = {"width": 390, "height": 800}

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    made = make_daemon(
        page=True, PROXYD_PUBLIC_HOST="localhost", PROXYD_SSH__SOURCE_PENALTIES="false"
    )
    made.add_secret("web", openssh_server)
    name, password = ADMIN
    typed = f"{password}\n"
    made.cli("user", "add", name, "--role", "admin", "--password-stdin", typed=typed)
    made.cli("access", "grant", name, "web")
    made.add_secret("guarded", openssh_server)
    made.cli("access", "demand", "guarded", "approval", "comment")
    made.cli("access", "grant", name, "guarded")
    made.cli("group", "add", "operators")
    made.cli("group", "join", "operators", "alice")
    made.cli("group", "grant", "operators", "guarded")
    made.cli("access", "request", name, "guarded", "--comment", "mine")
    made.add_secret("ruled", openssh_server)
    made.cli("secret", "block", "ruled", "no-wipe", r"\bwipe\b")
    made.cli("secret", "allow", "ruled", "restart", "systemctl restart $unit")
    made.cli("secret", "file-rule", "ruled", "no-keys", "refuse", "/etc/ssh/**")
    return made


@pytest.fixture
def visit(chromium: Browser, daemon: Daemon) -> Iterator[Visit]:
    visit = Visit.begun(chromium, daemon)
    yield visit
    visit.context.close()


def test_every_page_can_be_used_by_everybody(chromium: Browser, daemon: Daemon) -> None:
    """With a screen reader, in the dark, on a phone, and without a complaint of the browser."""
    visit = Visit.begun(chromium, daemon, viewport=PHONE).log_in(*ADMIN)
    wrong = []
    for path in PAGES:
        page = visit.go(path)
        wrong += [f"{path}: {text}" for text in violations(page)]
        page.emulate_media(color_scheme="dark")
        wrong += [f"{path}, dark: {text}" for text in violations(page, "color-contrast")]
        page.emulate_media(color_scheme="light")
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            wrong.append(f"{path} is too wide")
    visit.go("/secrets/web").get_by_role("button", name="Get a credential").click()
    visit.page.get_by_role("heading", name="Your credential").wait_for()
    wrong += violations(visit.page)
    visit.context.close()
    complaints = [text for text in visit.complaints if "404" not in text]
    assert wrong + complaints == []


def test_without_a_script_somebody_gets_a_credential_that_works_once(
    chromium: Browser, daemon: Daemon
) -> None:
    visit = Visit.begun(chromium, daemon, java_script_enabled=False).log_in(*ALICE)
    page = visit.go("/secrets")
    page.get_by_role("link", name="web").first.click()
    page.get_by_role("button", name="Get a credential").click()
    facts = page.locator("dl.facts dd code").all_text_contents()
    username, password = facts[:2]
    assert f"ssh -p {daemon.port} {username}@localhost" in facts
    assert password not in visit.go("/secrets/web").content()
    login = daemon.dress("", username, password)
    assert login.run("echo", "hello").text == "hello"
    assert login.run("echo", "hello").status == 255
    visit.context.close()


def test_without_a_script_somebody_asks_and_another_person_decides(
    chromium: Browser, daemon: Daemon
) -> None:
    asking = Visit.begun(chromium, daemon, java_script_enabled=False).log_in(*ALICE)
    page = asking.go("/secrets/guarded")
    page.get_by_label("Why").fill("the disk is <i>full</i>")
    page.get_by_role("button", name="Ask for approval").click()
    assert "nobody has decided yet" in (page.text_content("main") or "")
    deciding = Visit.begun(chromium, daemon).log_in(*ADMIN)
    inbox = deciding.go("/requests")
    card = inbox.locator("ul.cards li", has_text="the disk is <i>full</i>")
    assert violations(inbox) == []
    card.get_by_label("What alice reads").fill("for an hour")
    card.get_by_role("button", name="Approve").click()
    inbox.wait_for_url("**/requests?done=approved")
    page = asking.go("/secrets/guarded")
    assert "for an hour" in (page.text_content("main") or "")
    page.get_by_role("button", name="Get a credential").click()
    username, password = page.locator("dl.facts dd code").all_text_contents()[:2]
    assert daemon.dress("", username, password).run("echo", "hello").text == "hello"
    rows = daemon.json("audit", "list", "--subject", "guarded")
    done = [(row["who"], row["action"]) for row in rows]
    assert {("alice", "access.requested"), ("root", "access.approved")} <= set(done)
    assert deciding.complaints == []
    for visit in (asking, deciding):
        visit.context.close()


def test_a_rule_is_made_without_a_script_and_holds(chromium: Browser, daemon: Daemon) -> None:
    visit = Visit.begun(chromium, daemon, java_script_enabled=False).log_in(*ADMIN)
    page = visit.go("/admin/secrets/web")
    page.get_by_role("link", name="What it lets run and cross").click()
    page.get_by_label("Name of a rule", exact=True).fill("no-wipe")
    page.get_by_label("Pattern (RE2)").fill(r"\bwipe\b")
    page.get_by_label("What follows").select_option("notice")
    page.get_by_role("button", name="Save the rule", exact=True).click()
    assert r"\bwipe\b" in (page.locator("table").text_content() or "")
    login = daemon.login("web")
    refused = login.run("echo went; wipe it")
    assert (refused.status, refused.text) == (126, "")
    assert "rule no-wipe of this secret forbids it" in refused.said
    page.get_by_role("button", name="Remove no-wipe").click()
    assert login.run("echo wipe").text == "wipe"
    rows = daemon.json("audit", "list", "--subject", "web")
    done = {(row["who"], row["action"]) for row in rows}
    assert {("root", f"secret.command_{act}") for act in ("blocked", "forgotten")} <= done
    visit.context.close()


def test_with_the_keyboard_alone_somebody_logs_in_and_finds(visit: Visit) -> None:
    page = visit.go("/login")
    until(page, "document.activeElement.id == 'username'")
    page.keyboard.type(ADMIN[0])
    page.keyboard.press("Tab")
    page.keyboard.type(ADMIN[1])
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    page.evaluate("window.isStillThere = true")
    page.keyboard.type("no such thing")
    page.wait_for_url("**/sessions?q=no+such+thing*")
    until(page, "document.querySelector('[role=status]').textContent.includes('0 hits')")
    assert page.evaluate("window.isStillThere"), "the page was loaded anew"


def test_what_somebody_typed_is_found_and_leads_to_its_moment(
    visit: Visit, daemon: Daemon
) -> None:
    assert daemon.login("web").run("echo needle-in-a-haystack").status == 0
    daemon.recorded()
    daemon.indexed()
    visit.log_in(*ADMIN)
    page = visit.go("/sessions?q=needle-in-a-hay&state=finished")
    assert re.fullmatch(
        r"/sessions/[0-9a-f-]{36}\?t=\d+\.\d&find=needle-in-a-hay",
        page.locator("tr.hits a").first.get_attribute("href") or "",
    )


def test_a_device_is_enrolled_and_then_asked_for(chromium: Browser, daemon: Daemon) -> None:
    daemon.cli("user", "add", "tess", "--password-stdin", typed="a sentence of tess\n")
    visit = Visit.begun(chromium, daemon).log_in("tess", "a sentence of tess")
    page = visit.go("/profile/second-factor")
    page.get_by_role("button", name="Show the key").click()
    assert page.locator(".qr svg").is_visible()
    totp = pyotp.TOTP(page.locator("p > code").text_content() or "")
    scanned = pyotp.parse_uri(qr_code(page.locator(".qr svg").screenshot()))
    assert (scanned.secret, scanned.name, scanned.issuer) == (
        totp.secret,
        "tess",
        "proxyd localhost",
    )
    given = totp.now()
    page.fill("#code", given)
    page.get_by_role("button", name="Finish").click()
    codes = (page.text_content("#codes") or "").split()
    assert len(codes) == 10
    page.get_by_role("button", name="Log out", exact=True).click()
    for code, is_taken in ((given, False), (codes[0], True), (codes[0], False)):
        visit.context.clear_cookies()
        visit.go("/login")
        page.fill("#username", "tess")
        page.fill("#password", "a sentence of tess")
        page.keyboard.press("Enter")
        page.wait_for_url("**/login/second-factor*")
        assert page.goto(visit.address + "/secrets").url.endswith("next=%2Fsecrets")  # type: ignore[union-attr]
        page.fill("#code", code)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert ("/secrets" in page.url and "login" not in page.url) == is_taken
    daemon.cli("user", "reset-totp", "tess")
    visit.context.clear_cookies()
    visit.log_in("tess", "a sentence of tess")
    visit.context.close()


def qr_code(picture: bytes) -> str:
    """What a camera reads on a picture."""
    argv = [program("zbarimg"), "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "png:-"]
    found = run(argv, typed=picture)
    assert found.status == 0, found.said
    return found.text


def test_a_passkey_is_enrolled_and_lets_its_owner_in(chromium: Browser, daemon: Daemon) -> None:
    visit = Visit.begun(chromium, daemon)
    devices = visit.context.new_cdp_session(visit.page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page, here = visit.page, f"https://localhost:{daemon.page_port}"
    daemon.cli("user", "add", "petra", "--password-stdin", typed="a sentence of petra\n")
    page.goto(here + "/login")
    page.fill("#username", "petra")
    page.fill("#password", "a sentence of petra")
    page.keyboard.press("Enter")
    page.wait_for_url("**/secrets")
    page.goto(here + "/profile")
    page.get_by_role("button", name="Add a passkey").click()
    page.wait_for_url("**/profile?done=added")
    page.get_by_role("button", name="Log out", exact=True).click()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/secrets")
    page.get_by_role("button", name="Log out", exact=True).click()
    page.fill("#username", "petra")
    page.fill("#password", "a sentence of petra")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login/second-factor*")
    assert visit.complaints == []
    visit.context.close()


def test_names_with_markup_in_them_are_text(visit: Visit, daemon: Daemon) -> None:
    """What nobody could store as a name comes from the audit trail and from addresses."""
    visit.log_in(*ADMIN)
    shouted: list[str] = []
    visit.page.on("dialog", lambda dialog: (shouted.append(dialog.message), dialog.dismiss()))
    for text in XSS:
        for path in ECHOES:
            visit.page.goto(visit.address + path + text)
            assert not visit.page.evaluate("window.xss")
    assert shouted == []
    assert visit.complaints == []


ECHOES = ("/sessions?q=", "/sessions?user=", "/audit?who=", "/secrets?q=", "/login?next=")
BREAKING_OUT = (
    "%3Cscript%3Ewindow.xss=1%3C/script%3E%22%3E%3Cimg%20src=x%20onerror=window.xss=1%3E"
    "%27%22%3E%3Csvg/onload=window.xss=1%3E%7B%7B7*7%7D%7D"
)
XSS = (BREAKING_OUT, "javascript:window.xss=1")


def raw(daemon: Daemon) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.page_port), 30))


def test_a_request_that_is_too_large_is_refused_before_it_has_come(daemon: Daemon) -> None:
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
    with raw(daemon) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
