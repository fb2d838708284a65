"""What administrators change with forms; that auditors may look and not touch."""

import pytest

from storage.tables import AuditRow

SECRET = {
    "name": "web9",
    "protocol": "ssh",
    "host": "web9.example.org",
    "port": "22",
    "username": "root",
    "password": "hunter2-canary",
    "host_key_policy": "tofu",
    "record": "everything",
    "capture": "text",
    "mask_typed": "true",
}


async def test_a_person_is_let_in_given_access_and_shut_out(log_in, browse, page):
    adam = await log_in("adam")
    first = "a first sentence"
    await adam.send_form("/admin/users", name="nora", password=first, role="user")
    nora = browse()
    await nora.log_in("nora", first)
    assert (await nora.get("/secrets")).headers["location"].startswith("/profile/password")
    await adam.send_form("/admin/secrets", **SECRET)
    await adam.send_form("/admin/access", user="nora", secret="web9")
    assert "nora" in (await adam.get("/admin/access")).text
    await adam.send_form("/admin/users/nora/role", role="auditor")
    assert page.log_in.who("nora").role == "auditor"
    await adam.send_form("/admin/access/revoke", user="nora", secret="web9")
    assert "Nobody may reach anything" in (await adam.get("/admin/access")).text
    await adam.send_form("/admin/users/nora/disable")
    assert page.log_in.who("nora") is None


async def test_a_secret_is_added_changed_tried_and_removed_and_never_shown(
    log_in, world, database
):
    adam = await log_in("adam")
    answer = await adam.send_form("/admin/secrets", **SECRET)
    assert answer.headers["location"] == "/admin/secrets?done=added"
    other = SECRET | {"host": "other.example.org", "password": ""}
    await adam.send_form("/admin/secrets/web9", **other)
    text = (await adam.get("/admin/secrets/web9")).text
    assert "other.example.org" in text
    assert "hunter2" not in text
    tried = await adam.send_form("/admin/secrets/web9/test")
    assert "It works" in tried.text
    assert world.logins[0].credential.password == "hunter2-canary"
    assert (await adam.send_form("/admin/secrets/web9/remove", typed="web")).status_code == 400
    await adam.send_form("/admin/secrets/web9/remove", typed="web9")
    assert (await adam.get("/admin/secrets/web9")).status_code == 404
    with database.read() as session:
        rows = [vars(row) for row in session.query(AuditRow)]
    assert "hunter2" not in str(rows)


@pytest.mark.parametrize(
    "wrong", [{"port": "x"}, {"port": "99999"}, {"name": "<script>"}, {"record": "?"}]
)
async def test_a_form_that_makes_no_sense_is_said(log_in, wrong):
    adam = await log_in("adam")
    answer = await adam.send_form("/admin/secrets", **SECRET | wrong)
    assert answer.status_code == 400
    assert "hunter2" not in answer.text
    assert "<script>" not in answer.text.replace('<script type="module"', "")


async def test_an_auditor_sees_the_setup_without_a_form_to_change_it(log_in):
    adam, audrey = await log_in("adam"), await log_in("audrey")
    await adam.send_form("/admin/secrets", **SECRET)
    for path in ("/admin/users", "/admin/access", "/admin/engines", "/admin/secrets/web9"):
        answer = await audrey.get(path)
        assert answer.status_code == 200
        assert 'action="/admin' not in answer.text


async def test_the_audit_trail_is_shown_by_who_and_what(log_in):
    adam = await log_in("adam")
    await adam.send_form("/admin/secrets", **SECRET)
    shown = (await adam.get("/audit?who=adam&action=secret")).text
    assert "secret.added" in shown
    assert "user.logged_in" not in shown
    assert (await adam.get("/audit?until=never")).status_code == 400


async def test_the_status_says_what_is_wrong(log_in):
    adam = await log_in("adam")
    assert "Nothing is wrong." in (await adam.get("/status")).text
