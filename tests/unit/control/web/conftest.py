"""The page on a real database, asked without a network in between."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from control import users
from control.log_in import LogIn
from control.passkeys import Passkeys
from control.playback import Playback
from control.requests import AddUser
from control.storage_keys import StorageKeys
from control.web.app import make_app
from control.web.page import Page
from control.web.recordings import Recordings
from control.web.visitor import COOKIE
from storage.blobs import DatabaseBlobs
from storage.reader import Reader
from storage.search import Search
from storage.tables import UserRow

ASSETS = Path(__file__).parents[4] / "proxyd/assets"
PASSWORD = "a sentence of theirs"
PEOPLE = {"ursula": "user", "audrey": "auditor", "adam": "admin"}
"""One of each role, all with the same password."""

Browse = Callable[..., "Browser"]


class Browser(httpx.AsyncClient):
    """A browser that says which page it comes from, and knows its forms."""

    @property
    def csrf(self) -> str:
        cookie = self.cookies.get(COOKIE, "")
        return hashlib.sha256(b"proxyd csrf v1\0" + cookie.encode()).hexdigest()

    async def send_form(self, path: str, **fields: object) -> httpx.Response:
        return await self.post(path, data={"csrf": self.csrf, **fields})

    async def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/login", data={"username": name, "password": password})


@pytest.fixture(scope="session")
def hashed() -> str:
    return users.hash_password(PASSWORD)


@pytest.fixture
def people(database, clock, hashed) -> None:
    with database.transaction() as session:
        for name, role in PEOPLE.items():
            request = AddUser(name=name, password="", role=role)
            users.add(session, request, hashed, clock.now())


@pytest.fixture
def not_ready() -> list[str]:
    """What keeps the node from its work; fill it in."""
    return []


@pytest.fixture
def page(operations, database, vault, clock, people, not_ready) -> Iterator[Page]:
    loop = asyncio.new_event_loop()
    yield Page(
        operations=operations,
        log_in=LogIn(database, vault, clock),
        passkeys=Passkeys(vault, "bastion.example.org"),
        database=database,
        vault=vault,
        recordings=Recordings(
            database=database,
            playback=Playback(
                Reader(database, DatabaseBlobs()),
                Search(database),
                StorageKeys(database, vault),
            ),
            export=lambda *_: iter((b"exported",)),
            clock=clock,
        ),
        clock=clock,
        host="bastion.example.org",
        rdp_signer=lambda: None,
        require_second_factor=False,
        not_ready=lambda: not_ready,
        follow=lambda session_id: None,
        pictures=lambda session_id: None,
        node_loop=loop,
    )
    loop.close()


@pytest.fixture(scope="session")
def shell():
    """The app, once: its routes take a while to make. What it works with comes with `app`."""
    return make_app(None, ASSETS)


@pytest.fixture
def app(shell, page):
    shell.state.page = page
    return shell


@pytest.fixture
def browse(app) -> Browse:
    """Makes a browser; where a name is given, logged in."""

    def browse(address: str = "192.0.2.1") -> Browser:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
        return Browser(transport=transport, base_url="https://bastion.example.org")

    return browse


@pytest.fixture
def log_in(browse) -> Callable:
    async def log_in(name: str) -> Browser:
        browser = browse()
        answer = await browser.log_in(name)
        assert answer.status_code == 303, answer.text
        return browser

    return log_in


def role_of(database, name: str) -> str:
    with database.read() as session:
        return session.query(UserRow).where(UserRow.name == name).one().role
