import re

import pytest
from unit.control.conftest import web1

from clients.launcher.link import parse_link
from control.requests import AddSecret, GrantAccess
from recorder.session_info import TargetProtocol
from storage.tables import AuditRow


@pytest.fixture
def web(page):
    for name in ("web1", "mail1"):
        page.ask(web1(name=name), "adam")
    page.ask(GrantAccess(user="ursula", secret="web1"), "adam")


async def test_a_user_sees_what_he_may_use_and_that_alone(log_in, web):
    browser = await log_in("ursula")
    page = (await browser.get("/secrets")).text
    assert "web1" in page
    assert "mail1" not in page
    for name in ("mail1", "nothing"):
        assert (await browser.get(f"/secrets/{name}")).status_code == 404
        answer = await browser.send_form(f"/secrets/{name}/credentials")
        assert answer.status_code == 404


async def test_a_password_is_shown_once_and_masked_from_then_on(log_in, web, database):
    browser = await log_in("ursula")
    answer = await browser.send_form("/secrets/web1/credentials", ttl_s=900, uses=1)
    assert "shown this once" in answer.text
    assert "ssh -p 22" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    again = (await browser.get("/secrets/web1")).text
    assert "••••••••" in again
    assert "shown this once" not in again
    with database.read() as session:
        row = session.query(AuditRow).order_by(AuditRow.id.desc()).first()
        assert (row.who, row.action) == ("ursula", "credential.issued")


async def test_a_credential_is_taken_back_by_its_owner_alone(log_in, web, page):
    ursula, adam = await log_in("ursula"), await log_in("adam")
    await ursula.send_form("/secrets/web1/credentials")
    [issued] = (await ursula.get("/api/v1/me/credentials")).json()
    assert (await adam.delete(f"/api/v1/me/credentials/{issued['id']}")).status_code == 403
    forged = {"x-csrf-token": adam.csrf}
    answer = await adam.delete(f"/api/v1/me/credentials/{issued['id']}", headers=forged)
    assert answer.status_code == 404
    await ursula.send_form(f"/secrets/web1/credentials/{issued['id']}/revoke")
    assert "••••" not in (await ursula.get("/secrets/web1")).text


async def test_a_favourite_comes_first(log_in, web):
    browser = await log_in("ursula")
    await browser.send_form("/secrets/web1/favourite", is_favourite="true")
    assert "★" in (await browser.get("/secrets")).text
    await browser.send_form("/secrets/web1/favourite", is_favourite="false")
    assert "★" not in (await browser.get("/secrets")).text


async def test_a_desktop_has_a_file_without_a_password(log_in, page, operations):
    desktop = AddSecret(
        name="pc",
        protocol=TargetProtocol.RDP,
        host="pc.example.org",
        port=3389,
        username="Admin",
        password="p",
        channels=("drives-in",),
    )
    page.ask(desktop, "adam")
    page.ask(GrantAccess(user="ursula", secret="pc"), "adam")
    operations.node.gateways.ports[TargetProtocol.RDP] = 3390
    browser = await log_in("ursula")
    await browser.send_form("/secrets/pc/credentials")
    [issued] = (await browser.get("/api/v1/me/credentials")).json()
    answer = await browser.get(f"/secrets/pc/credentials/{issued['id']}.rdp")
    assert f"username:s:{issued['username']}" in answer.text
    assert "redirectdrives:i:1" in answer.text
    assert "redirectclipboard:i:0" in answer.text
    assert answer.headers["content-disposition"].endswith('.rdp"')
    assert (await browser.get("/secrets/pc/credentials/nothing.rdp")).status_code == 404


async def test_a_link_leads_back_to_the_page_that_the_browser_reached(log_in, web, database):
    browser = await log_in("ursula")
    answer = await browser.send_form("/secrets/web1/launches")
    [href] = re.findall(r'href="(proxyd:[^"]+)"', answer.text)
    link = parse_link(href)
    assert (link.server.host, link.server.port) == ("bastion.example.org", 443)
    assert "ssh -p 22 USER@gate" in answer.text
    assert "register https://bastion.example.org" in answer.text
    assert link.token not in (await browser.get("/secrets/web1")).text
    with database.read() as session:
        row = session.query(AuditRow).order_by(AuditRow.id.desc()).first()
        assert (row.who, row.action) == ("ursula", "launch_link.made")


@pytest.mark.parametrize("host", ["a b", "user@gate", "gate/launch", "gate:x", '"><script>'])
async def test_no_link_is_made_to_what_a_link_cannot_hold(host, log_in, web):
    browser = await log_in("ursula")
    answer = await browser.post(
        "/secrets/web1/launches", data={"csrf": browser.csrf}, headers={"host": host}
    )
    assert answer.status_code in {400, 403}
    assert "proxyd://" not in answer.text


async def test_there_is_no_link_to_what_somebody_may_not_use(log_in, web):
    browser = await log_in("ursula")
    for name in ("mail1", "nothing"):
        assert (await browser.send_form(f"/secrets/{name}/launches")).status_code == 404
