import re

import pyotp
import pytest
from segno import make

from .conftest import PASSWORD


async def test_a_device_is_enrolled_by_a_code_that_carries_the_key(log_in, clock):
    browser = await log_in("ursula")
    page = (await browser.send_form("/profile/second-factor")).text
    key = re.search(r"<code>([A-Z2-7]+)</code>", page)[1]
    uri = (
        f"otpauth://totp/proxyd%20bastion.example.org:ursula?secret={key}"
        "&issuer=proxyd%20bastion.example.org"
    )
    # The picture is the one of this address, so whoever scans it has this key.
    picture = re.search(r'<path [^>]*d="([^"]+)"', page)[1]
    assert picture in make(uri, error="m").svg_inline(scale=4, border=4)
    assert pyotp.parse_uri(uri).secret == key
    wrong = await browser.send_form("/profile/second-factor/confirm", code="000000")
    assert wrong.status_code == 400
    code = pyotp.TOTP(key).at(clock.now())
    answer = await browser.send_form("/profile/second-factor/confirm", code=code)
    assert len(re.search(r'id="codes">([^<]+)<', answer.text)[1].split()) == 10
    assert (await browser.get("/secrets")).status_code == 200, "he has just given his code"
    assert key not in (await browser.get("/profile")).text
    await browser.send_form("/profile/second-factor/remove")
    assert "No device" in (await browser.get("/profile")).text


async def test_a_new_password_logs_out_the_other_browsers(log_in):
    here, elsewhere = await log_in("ursula"), await log_in("ursula")
    new = "another sentence"
    answer = await here.send_form("/profile/password", old=PASSWORD, new=new, again="x")
    assert answer.status_code == 400
    answer = await here.send_form("/profile/password", old="wrong", new=new, again=new)
    assert answer.status_code == 403
    await here.send_form("/profile/password", old=PASSWORD, new=new, again=new)
    assert (await here.get("/profile")).status_code == 200
    assert (await elsewhere.get("/profile")).status_code == 303


async def test_a_token_is_shown_once_and_taken_back(log_in):
    browser = await log_in("ursula")
    answer = await browser.send_form("/profile/tokens", name="script", days=30)
    token = re.search(r"proxyd_[\w-]+", answer.text)[0]
    profile = (await browser.get("/profile")).text
    assert "script" in profile
    assert token not in profile
    revoke = re.search(r"/profile/tokens/\w+/revoke", profile)[0]
    await browser.send_form(revoke)
    assert "revoked" in (await browser.get("/profile")).text


async def test_one_logs_out_everywhere_else(log_in):
    here, elsewhere = await log_in("ursula"), await log_in("ursula")
    await here.send_form("/profile/logout-others")
    assert (await here.get("/profile")).status_code == 200
    assert (await elsewhere.get("/profile")).status_code == 303


@pytest.mark.parametrize("path", ["/profile/second-factor", "/profile/tokens"])
async def test_what_lets_others_in_wants_the_password_again(log_in, clock, path):
    browser = await log_in("ursula")
    clock.advance(16 * 60)
    answer = await browser.send_form(path, name="x", days=1)
    assert answer.headers["location"] == "/login/prove"
