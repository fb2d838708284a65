import pyotp
import pytest

from control import second_factors
from storage.tables import AuditRow

from .conftest import PASSWORD


@pytest.fixture
def device(page, database, clock):
    """What ursula's device shows; a minute after it was confirmed."""
    ursula = page.log_in.who("ursula")
    with database.transaction() as session:
        key = second_factors.begin(session, page.vault, ursula.id, "ursula", "bastion").key
    totp = pyotp.TOTP(key)
    with database.transaction() as session:
        second_factors.confirm(
            session, page.vault, ursula.id, totp.at(clock.now()), clock.now()
        )
    clock.advance(60)
    return totp


async def test_every_wrong_log_in_gets_the_same_answer(browse):
    answers = [
        await browse(address).log_in(name, password)
        for address, name, password in (
            ("192.0.2.1", "ursula", "wrong"),
            ("192.0.2.2", "nobody", PASSWORD),
            ("192.0.2.3", "n" * 2000, "p" * 2000),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


async def test_whoever_guesses_is_told_to_wait_and_nobody_else(browse, clock):
    guesser = browse("203.0.113.9")
    for _ in range(4):
        await guesser.log_in("ursula", "wrong")
    answer = await guesser.log_in("ursula")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert (await browse().log_in("ursula")).status_code == 303
    clock.advance(2)
    assert (await guesser.log_in("ursula")).status_code == 303


async def test_a_password_alone_does_not_let_in_who_has_a_second_factor(browse, device, clock):
    browser = browse()
    answer = await browser.log_in("ursula")
    assert answer.headers["location"] == "/login/second-factor?next=%2F"
    assert (await browser.get("/api/v1/me/secrets")).status_code == 403
    before = browser.csrf
    wrong = await browser.send_form("/login/second-factor", code="000000")
    assert wrong.status_code == 401
    code = device.at(clock.now())
    assert (await browser.send_form("/login/second-factor", code=code)).status_code == 303
    assert browser.csrf != before, "what was worth a password alone goes on"
    assert (await browser.get("/api/v1/me/secrets")).status_code == 200


async def test_a_code_that_was_seen_opens_nothing(browse, device, clock):
    code = device.at(clock.now())
    for status in (303, 401):
        browser = browse()
        await browser.log_in("ursula")
        answer = await browser.send_form("/login/second-factor", code=code)
        assert answer.status_code == status


async def test_the_cookie_is_for_our_pages_alone(browse):
    answer = await browse().log_in("ursula")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-proxyd=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))


async def test_who_logs_out_is_out(log_in):
    browser = await log_in("ursula")
    kept = dict(browser.cookies)
    await browser.send_form("/logout")
    browser.cookies.update(kept)
    assert (await browser.get("/api/v1/me/secrets")).status_code == 401


async def test_coming_and_going_is_in_the_audit_trail(log_in, database):
    browser = await log_in("ursula")
    await browser.send_form("/logout")
    with database.read() as session:
        rows = [(row.who, row.action, row.detail) for row in session.query(AuditRow)]
    assert rows[-2:] == [
        ("ursula", "user.logged_in", "from 192.0.2.1 by page"),
        ("ursula", "user.logged_out", ""),
    ]
