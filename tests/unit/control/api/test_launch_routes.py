import pytest
from unit.control.conftest import web1

from control.api.launch_routes import REDEEM
from control.requests import GrantAccess


@pytest.fixture
def web(page):
    page.ask(web1(), "adam")
    page.ask(GrantAccess(user="ursula", secret="web1"), "adam")


@pytest.fixture
def make(log_in, web):
    async def make() -> str:
        browser = await log_in("ursula")
        headers = {"x-csrf-token": browser.csrf}
        answer = await browser.post(
            "/api/v1/me/launches", json={"secret": "web1"}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["path"].removeprefix("/launch/")

    return make


async def test_a_link_is_followed_by_who_has_not_logged_in(make, browse):
    stranger, token = browse(), await make()
    answer = await stranger.post(REDEEM, json={"token": token})
    assert answer.status_code == 200
    launched = answer.json()
    assert (launched["kind"], launched["host"], launched["port"]) == ("ssh", "gate", 22)
    assert len(launched["password"]) == 24
    assert answer.headers["cache-control"] == "no-store"


async def test_a_second_time_and_a_made_up_one_are_answered_alike(make, browse):
    stranger, token = browse(), await make()
    await stranger.post(REDEEM, json={"token": token})
    answers = [
        await stranger.post(REDEEM, json={"token": one})
        for one in (token, "A" * 32, "", "../../etc/passwd")
    ]
    assert {one.status_code for one in answers} == {410}
    assert len({one.text for one in answers}) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"token": 7}',
        b'{"token": "a", "user": "adam"}',
        b'{"token": "' + b"A" * 300 + b'"}',
        b'{"token": "a"' + b" " * 2000 + b"}",
        b"[" * 900,
    ],
)
async def test_what_is_no_token_is_refused_and_not_repeated(body, browse, people):
    answer = await browse().post(REDEEM, content=body)
    assert answer.status_code == 400
    assert "AAAA" not in answer.text


async def test_a_token_in_the_address_is_not_read(make, browse):
    stranger, token = browse(), await make()
    assert (await stranger.post(f"{REDEEM}?token={token}")).status_code == 400
    assert (await stranger.get(f"{REDEEM}?token={token}")).status_code == 405
    assert (await stranger.post(REDEEM, json={"token": token})).status_code == 200


async def test_whoever_guesses_on_is_told_to_wait(browse, people):
    stranger = browse()
    for _ in range(30):
        await stranger.post(REDEEM, json={"token": "guess"})
    answer = await stranger.post(REDEEM, json={"token": "guess"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    elsewhere = await browse("198.51.100.1").post(REDEEM, json={"token": "guess"})
    assert elsewhere.status_code == 410


async def test_nobody_says_by_whose_log_in_a_link_is_made(log_in, web):
    browser = await log_in("ursula")
    headers = {"x-csrf-token": browser.csrf}
    asked = {"secret": "web1", "login": "AAAA"}
    answer = await browser.post("/api/v1/me/launches", json=asked, headers=headers)
    assert answer.status_code == 400
    assert "no field 'login'" in answer.text
