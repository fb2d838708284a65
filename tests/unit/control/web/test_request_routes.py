"""Requests for another person's word, at the page."""

from uuid import uuid4

import pytest
from unit.control.conftest import web1

from control.approval_requests import SetDemands
from control.requests import GrantAccess
from storage.tables import AuditRow, SessionRow


@pytest.fixture
def guarded(page):
    page.ask(web1(), "adam")
    page.ask(GrantAccess(user="ursula", secret="web1"), "adam")
    page.ask(GrantAccess(user="adam", secret="web1"), "adam")
    page.ask(SetDemands(secret="web1", demands=("approval", "comment")), "adam")


@pytest.fixture
def asked(guarded, log_in):
    async def asked(name: str = "ursula") -> str:
        browser = await log_in(name)
        sent = await browser.send_form("/secrets/web1/requests", comment="the disk is full")
        assert sent.headers["location"] == "/secrets/web1?done=asked"
        [request] = (await browser.get("/api/v1/me/access-requests")).json()
        return str(request["id"])

    return asked


async def test_somebody_asks_and_gets_a_pair_once_another_person_says_so(asked, log_in):
    request = await asked()
    ursula, adam = await log_in("ursula"), await log_in("adam")
    assert "nobody has decided yet" in (await ursula.get("/secrets/web1")).text
    assert (await ursula.send_form("/secrets/web1/credentials")).status_code == 403
    assert "the disk is full" in (await adam.get("/requests")).text
    answer = await adam.send_form(
        f"/admin/requests/{request}/approve", said="go <b>on</b>", for_s=900
    )
    assert answer.headers["location"] == "/requests?done=approved"
    shown = (await ursula.get("/secrets/web1")).text
    assert "Approved by adam" in shown
    assert "go &lt;b&gt;on&lt;/b&gt;" in shown
    assert "shown this once" in (await ursula.send_form("/secrets/web1/credentials")).text


async def test_what_is_denied_says_by_whom_and_why(asked, log_in):
    request = await asked()
    adam = await log_in("adam")
    await adam.send_form(f"/admin/requests/{request}/deny", said="not today")
    ursula = await log_in("ursula")
    for path in ("/secrets/web1", "/requests"):
        text = " ".join((await ursula.get(path)).text.split())
        assert "denied" in text
        assert "adam" in text
        assert "not today" in text


async def test_nobody_decides_about_himself_nor_without_the_right(asked, log_in):
    mine, hers = await asked("adam"), await asked()
    adam, audrey, ursula = [await log_in(name) for name in ("adam", "audrey", "ursula")]
    assert "Another person decides about this" in (await adam.get("/requests")).text
    assert (await adam.send_form(f"/admin/requests/{mine}/approve")).status_code == 403
    assert (await ursula.send_form(f"/admin/requests/{hers}/approve")).status_code == 403
    assert (await audrey.send_form(f"/admin/requests/{hers}/approve")).status_code == 403
    # Nor by the way that is meant for recordings.
    assert (await audrey.send_form(f"/viewing-requests/{hers}/approve")).status_code == 404
    assert "/admin/requests/" not in (await audrey.get("/requests")).text


async def test_a_request_is_taken_back_by_whoever_made_it(asked, log_in):
    request = await asked()
    audrey, ursula = await log_in("audrey"), await log_in("ursula")
    assert (await audrey.send_form(f"/requests/{request}/withdraw")).status_code == 404
    await ursula.send_form(f"/requests/{request}/withdraw")
    assert "withdrawn" in (await ursula.get("/requests")).text


async def test_reasons_alone_are_given_with_the_form(guarded, log_in, page, database):
    page.ask(SetDemands(secret="web1", demands=("comment", "ticket")), "adam")
    ursula = await log_in("ursula")
    assert (await ursula.send_form("/secrets/web1/credentials")).status_code == 403
    given = {"comment": "the disk is full", "ticket": "INC-7"}
    assert (
        "shown this once" in (await ursula.send_form("/secrets/web1/credentials", **given)).text
    )
    with database.read() as session:
        rows = session.query(AuditRow).where(AuditRow.action == "credential.explained").all()
        assert [row.who for row in rows] == ["ursula"]


async def test_what_a_secret_demands_is_set_on_its_page(guarded, log_in):
    adam = await log_in("adam")
    await adam.send_form("/admin/secrets/web1/demands", demands=["ticket"])
    assert (await adam.get("/api/v1/secrets/web1")).json()["demands"] == ["ticket"]
    await adam.send_form("/admin/secrets/web1/demands")
    assert (await adam.get("/api/v1/secrets/web1")).json()["demands"] == []


@pytest.fixture
def recording(page, database, clock):
    """A session that is over, where another person must let somebody see it."""
    object.__setattr__(page.recordings, "needs_approval", True)
    row = SessionRow(
        id=uuid4(),
        protocol="ssh",
        state="finished",
        user="ursula",
        secret="web1",
        target="web1:22",
        site="default",
        engine="engine-1",
        client_address="192.0.2.7",
        started_at=clock.now(),
        chunks=0,
        input_bytes=0,
        output_bytes=0,
        chain_broken=False,
    )
    with database.transaction() as session:
        session.add(row)
        return row.id


async def test_a_recording_is_seen_once_another_auditor_says_so(recording, log_in, world):
    world.found = recording
    audrey, adam = await log_in("audrey"), await log_in("adam")
    path = f"/sessions/{recording}"
    refused = await audrey.get(f"{path}/export/text")
    assert refused.headers["location"].startswith(f"{path}/approval")
    assert (await audrey.get("/api/v1/search?text=x")).json() == []
    assert f"{path}/approval" in (await audrey.get(path)).text
    await audrey.send_form(f"{path}/approval", comment="an incident")
    [asked] = (await audrey.get("/api/v1/me/access-requests")).json()
    assert (
        await audrey.send_form(f"/viewing-requests/{asked['id']}/approve")
    ).status_code == 403
    assert "nobody has decided yet" in (await audrey.get(f"{path}/approval")).text
    await adam.send_form(f"/viewing-requests/{asked['id']}/approve", said="do")
    assert "adam lets you see it" in (await audrey.get(f"{path}/approval")).text
    assert (await audrey.get(f"{path}/export/text")).text == "exported"
    assert len((await audrey.get("/api/v1/search?text=x")).json()) == 1
    assert (await adam.get(f"{path}/export/text")).status_code == 303


async def test_opening_a_session_is_in_the_audit_trail_once(recording, log_in, database):
    audrey = await log_in("audrey")
    for _ in range(2):
        assert (await audrey.get(f"/sessions/{recording}")).status_code == 200
    with database.read() as session:
        rows = session.query(AuditRow).where(AuditRow.subject == str(recording)).all()
        assert [(row.who, row.action) for row in rows] == [("audrey", "session.opened")]
