"""What a secret lets run and cross, set with forms; who may not change it only reads it."""

import pytest

from control.command_requests import ListCommands, ShowBecome
from control.file_requests import ListFileRules
from control.requests import ShowSecret
from storage.tables import AuditRow

from .test_admin_routes import SECRET

RULES = "/admin/secrets/web9/rules"


@pytest.fixture
async def adam(log_in):
    browser = await log_in("adam")
    await browser.send_form("/admin/secrets", **SECRET)
    return browser


def listed(page, request) -> list[tuple[str, ...]]:
    return [
        tuple(map(str, (one.name, one.action, one.text)))
        for one in page.operations.carry_out(request, "adam")
    ]


async def test_commands_are_blocked_put_on_a_menu_and_forgotten(adam, page):
    blocked = {"name": "no-wipe", "pattern": r"\bwipe\b", "action": "hold"}
    answer = await adam.send_form(f"{RULES}/block", **blocked)
    assert answer.headers["location"] == f"{RULES}?done=saved"
    await adam.send_form(f"{RULES}/allow", name="again", command="systemctl restart $unit")
    commands = ListCommands(secret="web9")
    assert listed(page, commands) == [
        ("again", "allow", "systemctl restart $unit"),
        ("no-wipe", "hold", r"\bwipe\b"),
    ]
    shown = (await adam.get(RULES)).text
    assert r"<code>\bwipe\b</code>" in shown
    assert "Nothing else runs." in shown
    for name in ("again", "no-wipe"):
        answer = await adam.send_form(f"{RULES}/forget", name=name)
        assert answer.headers["location"] == f"{RULES}?done=removed"
    assert listed(page, commands) == []
    assert (await adam.send_form(f"{RULES}/forget", name="again")).status_code == 404


async def test_its_shells_become_another_account_and_nobody_again(adam, page):
    root = SECRET | {"name": "web9-root", "password": "another-canary"}
    await adam.send_form("/admin/secrets", **root)
    fields = {"command": "/usr/bin/su - root", "with_secret": "web9-root"}
    await adam.send_form(f"{RULES}/become", **fields)
    shown = page.ask(ShowBecome(secret="web9"), "adam")
    assert (shown.account, shown.with_secret) == ("root", "web9-root")
    text = (await adam.get(RULES)).text
    assert "with the password of web9-root" in text
    assert "canary" not in text
    await adam.send_form(f"{RULES}/become", command="", with_secret="web9-root")
    assert page.ask(ShowBecome(secret="web9"), "adam").command == ""


async def test_files_are_ruled_and_kept(adam, page):
    one = {"name": "no-keys", "verdict": "refuse", "direction": "download", "glob": "/etc/**"}
    await adam.send_form(f"{RULES}/files", **one)
    await adam.send_form(f"{RULES}/files", name="all", verdict="allow", direction="", glob="")
    rules = list(page.operations.carry_out(ListFileRules(secret="web9"), "adam"))
    assert [(r.name, r.verdict, r.directions, r.glob) for r in rules] == [
        ("all", "allow", ("upload", "download"), "**"),
        ("no-keys", "refuse", ("download",), "/etc/**"),
    ]
    assert "/etc/**" in (await adam.get(RULES)).text
    await adam.send_form(f"{RULES}/files/forget", name="no-keys")
    assert "/etc/**" not in (await adam.get(RULES)).text.replace('placeholder="/etc/**"', "")
    for given, kept in (("4096", 4096), ("0", 0), ("", None)):
        await adam.send_form(f"{RULES}/keep-files", files_bytes=given)
        assert page.ask(ShowSecret(name="web9"), "adam").files_bytes == kept


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("block", {"name": "a b", "pattern": "x", "action": "notice"}, "makes no sense"),
        ("block", {"name": "a", "pattern": "(", "action": "notice"}, "no regular expression"),
        ("block", {"name": "a", "pattern": "x", "action": "?"}, "makes no sense"),
        ("allow", {"name": "a", "command": ""}, "must be: command"),
        ("become", {"command": "su\n", "with_secret": "nowhere"}, "named `nowhere`"),
        ("files", {"name": "a", "verdict": "refuse", "glob": "etc"}, "names no files"),
        ("files", {"name": "a", "verdict": "refuse", "direction": "up"}, "makes no sense"),
        ("keep-files", {"files_bytes": "-1"}, "a number of bytes"),
        ("keep-files", {"files_bytes": "9" * 30}, "makes no sense"),
    ],
)
async def test_a_form_that_makes_no_sense_is_said_and_changes_nothing(
    adam, page, path, fields, said
):
    answer = await adam.send_form(f"{RULES}/{path}", **fields)
    assert answer.status_code in {400, 404}
    assert said in answer.text
    assert listed(page, ListCommands(secret="web9")) == []


async def test_every_change_is_in_the_trail(adam, database):
    for path, fields in (
        ("block", {"name": "no-wipe", "pattern": "wipe", "action": "end"}),
        ("files", {"name": "none", "verdict": "refuse"}),
        ("keep-files", {"files_bytes": "0"}),
        ("become", {"command": "su - root"}),
    ):
        await adam.send_form(f"{RULES}/{path}", **fields)
    with database.read() as session:
        rows = session.query(AuditRow).where(AuditRow.subject == "web9")
        noted = {(row.who, row.action) for row in rows}
    what = ("command_blocked", "file_rule_set", "files_kept", "become_set")
    assert {("adam", f"secret.{one}") for one in what} <= noted


async def test_an_auditor_reads_the_rules_without_a_form_to_change_them(adam, log_in):
    await adam.send_form(f"{RULES}/block", name="no-wipe", pattern="wipe", action="end")
    audrey = await log_in("audrey")
    shown = await audrey.get(RULES)
    assert "no-wipe" in shown.text
    assert 'action="/admin' not in shown.text
    fields = {"name": "b", "pattern": "x", "action": "end"}
    assert (await audrey.send_form(f"{RULES}/block", **fields)).status_code == 403
    forged = await adam.post(f"{RULES}/block", data=fields)
    assert forged.status_code == 403


async def test_a_secret_that_is_not_there_has_no_rules(adam):
    assert (await adam.get("/admin/secrets/web8/rules")).status_code == 404
