import pytest

from control.account_requests import CreateToken, SetPassword
from control.web.visitor import COOKIE, local

from .conftest import PASSWORD


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/sessions?q=x", "/sessions?q=x"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/login/prove", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_a_log_in_goes_on_to_a_page_of_ours_only(target, path):
    assert local(target) == path


async def test_a_cookie_that_has_expired_leads_to_the_log_in_and_back(log_in, clock):
    browser = await log_in("audrey")
    clock.advance(1801)
    answer = await browser.get("/sessions?user=ada")
    assert answer.headers["location"] == "/login?next=%2Fsessions%3Fuser%3Dada"
    assert (await browser.get("/api/v1/sessions")).status_code == 401


async def test_a_made_up_cookie_is_none(browse):
    browser = browse()
    for presented in ("", "x" * 10_000, "%00"):
        browser.cookies.set(COOKIE, presented)
        assert (await browser.get("/api/v1/me/secrets")).status_code == 401


async def test_a_token_does_what_its_user_may_until_it_is_revoked(browse, page):
    issued = page.ask(CreateToken(user="audrey", name="script"), "audrey")
    browser = browse()
    browser.headers["authorization"] = f"Bearer {issued.token}"
    assert (await browser.get("/api/v1/sessions")).status_code == 200
    assert (await browser.get("/api/v1/search?text=abc")).status_code == 200
    assert (await browser.post("/api/v1/users", json={})).status_code == 403
    another = await browser.post("/api/v1/me/tokens", json={"name": "another"})
    assert (another.status_code, another.json()["kind"]) == (403, "denied")
    assert (await browser.delete(f"/api/v1/me/tokens/{issued.id}")).status_code == 200
    assert (await browser.get("/api/v1/sessions")).status_code == 401


async def test_recordings_want_a_password_that_was_given_a_short_while_ago(log_in, clock):
    browser = await log_in("audrey")
    clock.advance(16 * 60)
    assert (await browser.get("/sessions")).status_code == 200
    answer = await browser.get("/sessions?q=abc")
    assert answer.headers["location"] == "/login/prove?next=%2Fsessions%3Fq%3Dabc"
    assert (await browser.get("/api/v1/search?text=abc")).json()["kind"] == "step_needed"
    answer = await browser.send_form("/login/prove", password="wrong", next="/sessions?q=abc")
    assert answer.status_code == 401
    answer = await browser.send_form("/login/prove", password=PASSWORD, next="/sessions?q=abc")
    assert answer.headers["location"] == "/sessions?q=abc"
    assert (await browser.get("/sessions?q=abc")).status_code == 200


async def test_who_must_change_his_password_can_do_nothing_else(browse, page):
    page.ask(SetPassword(name="ursula", password="a sentence of an admin"), "adam")
    browser = browse()
    await browser.log_in("ursula", "a sentence of an admin")
    assert (await browser.get("/secrets")).headers["location"].startswith("/profile/password")
    assert (await browser.get("/api/v1/me/secrets")).status_code == 403
    fields = {"old": "a sentence of an admin", "new": PASSWORD, "again": PASSWORD}
    await browser.send_form("/profile/password", **fields)
    assert (await browser.get("/secrets")).status_code == 200


async def test_where_everybody_must_have_a_second_factor_it_comes_first(log_in, page):
    object.__setattr__(page, "require_second_factor", True)
    browser = await log_in("ursula")
    answer = await browser.get("/secrets")
    assert answer.headers["location"].startswith("/profile/second-factor")
    assert (await browser.get("/profile/second-factor")).status_code == 200


async def test_a_user_who_was_disabled_is_out_at_once(log_in, page):
    from control.requests import DisableUser  # noqa: PLC0415

    browser = await log_in("ursula")
    page.ask(DisableUser(name="ursula"), "adam")
    assert (await browser.get("/api/v1/me/secrets")).status_code == 401
