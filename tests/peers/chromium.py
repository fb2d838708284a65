"""A headless Chromium, the one of the distribution, as an auditor uses it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import pytest
from axe_playwright_python.sync_playwright import Axe
from peers.daemon import Daemon
from peers.needed import program, wait_until
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

AUDITOR: Final = ("audrey", "Correct-Horse-9-Battery")
WAIT_MS: Final = 30_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium-headless-shell"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """Somebody at the page of a daemon; everything that the console complained of."""

    daemon: Daemon
    context: BrowserContext
    page: Page
    port: int
    """Of the page, or of what stands before it."""
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def begun(cls, browser: Browser, daemon: Daemon, **options: object) -> Self:
        wanted = {"ignore_https_errors": True} | options
        context = browser.new_context(**wanted)  # type: ignore[arg-type]
        context.set_default_timeout(WAIT_MS)
        visit = cls(daemon, context, context.new_page(), daemon.page_port)
        visit.page.on("console", visit._heard)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        return visit

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def log_in(self, name: str, password: str) -> Self:
        self.go("/login")
        self.page.fill("#username", name)
        self.page.fill("#password", password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


def until(page: Page, condition: str) -> None:
    """Wait until an expression holds.

    Not by Playwright's `wait_for_function`: what does not hold at once it asks again as a
    script of the page, which the page's CSP forbids.
    """
    wait_until(lambda: page.evaluate(condition), f"never: {condition}")


def violations(page: Page, *rules: str) -> list[str]:
    """What keeps somebody from using the page; by all rules of axe where none is named."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": [*rules]} if rules else {})
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:90]}" for one in found]


def add_auditor(daemon: Daemon) -> None:
    name, password = AUDITOR
    daemon.cli(
        *("user", "add", name, "--role", "auditor", "--password-stdin"), typed=f"{password}\n"
    )
