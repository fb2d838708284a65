"""What a secret lets run and cross, and whom it becomes, for who may see or change that."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from bus.command_rules import RuleAction
from bus.file_rules import EVERYTHING, Direction, FileVerdict
from control.command_requests import (
    AllowCommand,
    BecomeSummary,
    BlockCommand,
    CommandSummary,
    ForgetCommand,
    ListCommands,
    SetBecome,
    ShowBecome,
)
from control.errors import InvalidError
from control.file_requests import (
    FileRuleSummary,
    ForgetFileRule,
    KeepFiles,
    ListFileRules,
    PutFileRule,
)
from control.requests import ListSecrets, SecretSummary, ShowSecret
from control.web.acting import act, converted, filled
from control.web.admin_routes import Managing, Seeing
from control.web.log_in_routes import Text
from control.web.page import Page, ThePage
from control.web.rendering import render
from control.web.visitor import Visitor

router = APIRouter(prefix="/admin/secrets/{secret}/rules", include_in_schema=False)

Maybe = Annotated[str, Form(max_length=1000)]
"""A field that may be left empty."""
_ON_MENU: Final = "allow"
"""The action of what is on a menu, in lists."""


@router.get("")
def rules(request: Request, page: ThePage, visitor: Seeing, secret: str) -> Response:
    """Show what it says, and the forms to change that for who may."""
    who = visitor.name
    shown = page.one(ShowSecret(name=secret), who, SecretSummary)
    commands = page.list(ListCommands(secret=secret), who, CommandSummary)
    secrets = page.list(ListSecrets(), who, SecretSummary)
    return render(
        request,
        "vault_rules.html",
        secret=shown,
        blocked=[one for one in commands if one.action != _ON_MENU],
        menu=[one for one in commands if one.action == _ON_MENU],
        become=page.one(ShowBecome(secret=secret), who, BecomeSummary),
        files=page.list(ListFileRules(secret=secret), who, FileRuleSummary),
        with_password=[one.name for one in secrets if one.credential == "password"],
        actions=list(RuleAction),
        verdicts=list(FileVerdict),
        directions=list(Direction),
        everything=EVERYTHING,
    )


@router.post("/block")
def block(
    page: ThePage, visitor: Managing, secret: str, name: Text, pattern: Text, action: Text
) -> Response:
    """Put a rule on the block list."""
    given = {"secret": secret, "name": name.strip(), "pattern": pattern, "action": action}
    return _done(page, visitor, secret, converted(given, BlockCommand), "saved")


@router.post("/allow")
def allow(page: ThePage, visitor: Managing, secret: str, name: Text, command: Text) -> Response:
    """Put an entry on the menu."""
    given = {"secret": secret, "name": name.strip(), "command": command.strip()}
    return _done(page, visitor, secret, converted(given, AllowCommand), "saved")


@router.post("/forget")
def forget(page: ThePage, visitor: Managing, secret: str, name: Text) -> Response:
    """Take a rule about commands, or an entry of the menu, away."""
    return _done(page, visitor, secret, ForgetCommand(secret=secret, name=name), "removed")


@router.post("/become")
def become(
    page: ThePage,
    visitor: Managing,
    secret: str,
    command: Maybe = "",
    with_secret: Maybe = "",
) -> Response:
    """Say whom its shells become; without a command, nobody."""
    asked = SetBecome(
        secret=secret,
        command=command.strip(),
        with_secret=filled(with_secret) if command.strip() else None,
    )
    return _done(page, visitor, secret, asked, "saved")


@router.post("/files")
async def put_file_rule(
    request: Request, page: ThePage, visitor: Managing, secret: str
) -> Response:
    """Add a rule about files; without a direction it is about both."""
    form = {name: str(value).strip() for name, value in (await request.form()).items()}
    given = {
        "secret": secret,
        "name": form.get("name", ""),
        "verdict": form.get("verdict", ""),
        "directions": tuple(filter(None, [form.get("direction")])) or tuple(Direction),
        "glob": form.get("glob") or EVERYTHING,
    }
    asked = converted(given, PutFileRule)
    return await page.run(_done, page, visitor, secret, asked, "saved")


@router.post("/files/forget")
def forget_file_rule(page: ThePage, visitor: Managing, secret: str, name: Text) -> Response:
    """Take a rule about files away."""
    return _done(page, visitor, secret, ForgetFileRule(secret=secret, name=name), "removed")


@router.post("/keep-files")
def keep_files(
    page: ThePage, visitor: Managing, secret: str, files_bytes: Maybe = ""
) -> Response:
    """Say how much is kept of what files hold; where it is empty, as much as of others."""
    much = filled(files_bytes)
    if much is not None and not much.isdecimal():
        raise InvalidError("how much is kept is a number of bytes, or nothing: leave it empty")
    given = {"secret": secret, "files_bytes": None if much is None else int(much)}
    return _done(page, visitor, secret, converted(given, KeepFiles), "saved")


def _done(page: Page, visitor: Visitor, secret: str, asked: Any, said: str) -> Response:  # noqa: ANN401 - one of many
    return act(page, visitor, asked, f"/admin/secrets/{secret}/rules", said)
