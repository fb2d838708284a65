"""Logging in at an identity provider that runs: whom its word lets in, and whom not."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey
from peers.identity_provider import CLIENT

from config.model import OIDCSettings
from config.redacted import Redacted
from control.identity_provider import IdentityProvider
from control.requests import DisableUser
from recorder.clock import SystemClock
from storage.tables import AuditRow


@pytest.fixture
def provider(identity_provider, page, vault):
    identity_provider.person = {"sub": "1", "preferred_username": "audrey"}
    identity_provider.claims = {}
    identity_provider.signs_with = identity_provider._key
    settings = OIDCSettings(issuer=identity_provider.issuer, client_id=CLIENT[0], name="Staff")
    made = IdentityProvider(settings, Redacted(CLIENT[1]), vault, SystemClock())
    object.__setattr__(page, "provider", made)
    return identity_provider


async def sent_back(begun: httpx.Response) -> str:
    """Go to the provider; return where it sends the browser."""
    async with httpx.AsyncClient() as elsewhere:
        return (await elsewhere.get(begun.headers["location"])).headers["location"]


@pytest.fixture
def come_back(provider, browse):
    async def come_back(browser=None, target: str = "/sessions"):
        """Go there and back as a browser would; return it and the answer."""
        browser = browser or browse()
        begun = await browser.get(f"/login/provider?next={target}")
        return browser, await browser.get(await sent_back(begun))

    return come_back


async def test_whoever_the_provider_vouches_for_comes_in(come_back, browse, database):
    assert "Log in with Staff" in (await browse().get("/login")).text
    browser, answer = await come_back()
    assert answer.headers["location"] == "/sessions"
    assert (await browser.get("/sessions")).status_code == 200
    with database.read() as session:
        acts = [row.action for row in session.query(AuditRow)]
    assert acts[-2:] == ["user.vouched_for", "user.logged_in"]


async def test_somebody_is_who_he_was_the_first_time(come_back, provider):
    await come_back()
    provider.person["preferred_username"] = "adam"
    browser, _ = await come_back()
    assert "audrey" in (await browser.get("/sessions")).text
    provider.person = {"sub": "2", "preferred_username": "audrey"}
    _, answer = await come_back()
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["nobody", "", None, ["audrey"]])
async def test_who_is_no_user_here_stays_out(come_back, provider, name):
    provider.person["preferred_username"] = name
    browser, answer = await come_back()
    assert answer.status_code == 403
    assert "ask its administrator" in answer.text
    assert "__Host-proxyd" not in browser.cookies


async def test_a_disabled_user_stays_out(come_back, page):
    page.ask(DisableUser(name="audrey"), "adam")
    _, answer = await come_back()
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://another.example"},
        {"exp": 1},
        {"sub": None},
    ],
)
async def test_a_word_that_is_not_for_this_log_in_is_refused(come_back, provider, claims):
    provider.claims = claims
    _, answer = await come_back()
    assert answer.status_code == 403


async def test_a_word_that_another_has_signed_is_refused(come_back, provider):
    provider.signs_with = ECKey.generate_key("P-256", {"kid": "k1"})
    _, answer = await come_back()
    assert answer.status_code == 403


async def test_a_log_in_that_was_begun_elsewhere_is_not_finished_here(provider, browse):
    begun = await browse().get("/login/provider")
    back = await sent_back(begun)
    assert (await browse().get(back)).status_code == 403
    other = browse()
    await other.get("/login/provider")
    assert (await other.get(back)).status_code == 403


async def test_a_code_is_taken_once(come_back, provider, browse):
    browser = browse()
    begun = await browser.get("/login/provider")
    back = await sent_back(begun)
    cookies = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    browser.cookies.update(cookies)
    assert (await browser.get(back)).status_code == 403


async def test_to_prove_oneself_again_is_asked_of_the_provider(provider, browse):
    begun = await browse().get("/login/provider?anew=true")
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["prompt"] == ["login"]
    assert query["code_challenge_method"] == ["S256"]


async def test_more_than_a_password_there_is_a_second_factor_here(come_back, provider, page):
    object.__setattr__(page, "require_second_factor", True)
    browser, _ = await come_back()
    assert (await browser.get("/sessions")).headers["location"].startswith("/profile/second")
    provider.claims = {"amr": ["pwd", "mfa"]}
    browser, _ = await come_back()
    assert (await browser.get("/sessions")).status_code == 200


async def test_a_provider_that_is_away_is_said(page, vault, browse):
    settings = OIDCSettings(issuer="http://127.0.0.1:9", client_id="x", timeout_s=1)
    away = IdentityProvider(settings, Redacted("x"), vault, SystemClock())
    object.__setattr__(page, "provider", away)
    answer = await browse().get("/login/provider")
    assert answer.status_code == 424
    assert "cannot be asked" in answer.text


async def test_without_a_provider_there_is_none(browse):
    assert (await browse().get("/login/provider")).status_code == 404
    assert "Log in with" not in (await browse().get("/login")).text
