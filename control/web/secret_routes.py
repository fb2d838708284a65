"""My secrets: what a user may reach, and credentials to reach it with."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from control.account_requests import ListReachable, ReachableSecret, SetFavourite
from control.approval_requests import AccessRequestSummary, ListAccessRequests
from control.command_lines import command_lines
from control.errors import InvalidError, NotFoundError
from control.launch_requests import IssuedLaunchLink, MakeLaunchLink
from control.rdp_file import rdp_file
from control.requests import (
    CredentialSummary,
    IssueCredential,
    IssuedCredential,
    ListCredentials,
    RevokeCredential,
)
from control.rights import Right
from control.web.acting import act, going_back
from control.web.page import Page, ThePage
from control.web.rendering import render
from control.web.visitor import Visitor, require
from recorder.session_info import TargetProtocol

router = APIRouter(include_in_schema=False)

Mine = Annotated[Visitor, require(Right.USE_SECRETS)]
Said = Annotated[str, Form(max_length=256)]

LIFETIMES: Final = {"15 minutes": 900, "1 hour": 3600, "8 hours": 8 * 3600}
USES: Final = (1, 5, 100)
PROGRAMS: Final = {
    "openssh": "OpenSSH",
    "putty": "PuTTY",
    "plink": "plink",
    "scp": "scp",
    "sftp": "sftp",
    "winscp": "WinSCP",
    "mstsc": "Remote Desktop",
    "xfreerdp": "FreeRDP",
}
LAUNCHER: Final = "/proxyd-launcher.pyz"
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
"""What `clients.launcher.link` reads."""
_RECENT: Final = 5
_SHOWN: Final = 50


class Line(Struct, frozen=True, kw_only=True):
    """A ready command line."""

    program: str
    text: str


class Link(Struct, frozen=True, kw_only=True):
    """A launch link, and what helps where nothing comes of it."""

    href: str
    expires_at: dt.datetime
    register: str
    """What makes the launcher known to a user's machine."""
    lines: list[Line]
    """What a credential would be used with instead."""


@router.get("/secrets")
def my_secrets(request: Request, page: ThePage, visitor: Mine, q: str = "") -> Response:
    """Show the secrets that the visitor has access to."""
    found = page.list(ListReachable(user=visitor.name), visitor.name, ReachableSecret)
    wanted = q.strip().lower()
    shown = [one for one in found if wanted in f"{one.name} {one.host} {one.site}".lower()]
    used = sorted((one for one in found if one.used_at), key=_used, reverse=True)[:_RECENT]
    return render(request, "my_secrets.html", secrets=shown, recent=used, q=q)


@router.get("/secrets/{name}")
def my_secret(request: Request, page: ThePage, visitor: Mine, name: str) -> Response:
    """Show one, the credentials for it, and the form for another."""
    return _show(request, page, visitor, name)


def _filled_in(
    name: str,
    ttl_s: Annotated[float, Form()] = 900,
    uses: Annotated[int, Form()] = 1,
    comment: Said = "",
    ticket: Said = "",
) -> IssueCredential:
    """Return what the form asks for, for whoever it is."""
    return IssueCredential(
        secret=name, user="", ttl_s=ttl_s, uses=uses, comment=comment, ticket=ticket
    )


@router.post("/secrets/{name}/credentials")
def issue(
    request: Request,
    page: ThePage,
    visitor: Mine,
    name: str,
    wanted: Annotated[IssueCredential, Depends(_filled_in)],
) -> Response:
    """Make a credential. This answer is the only one that shows its password."""
    _reachable(page, visitor, name)
    wanted = replace(wanted, user=visitor.name)
    issued = page.one(wanted, visitor.name, IssuedCredential)
    return _show(request, page, visitor, name, issued)


@router.post("/secrets/{name}/launches")
def make_link(
    request: Request,
    page: ThePage,
    visitor: Mine,
    name: str,
    comment: Said = "",
    ticket: Said = "",
) -> Response:
    """Make a link that starts a client. This answer is the only one that shows it."""
    _reachable(page, visitor, name)
    wanted = MakeLaunchLink(
        secret=name,
        user=visitor.name,
        login=visitor.logged_in.digest,
        comment=comment,
        ticket=ticket,
    )
    made = page.one(wanted, visitor.name, IssuedLaunchLink)
    return _show(request, page, visitor, name, link=_link(request, page, made))


@router.get(LAUNCHER)
def download_launcher(page: ThePage, visitor: Mine) -> Response:
    """Return the program that launch links start, for Python 3.11 or newer."""
    headers = {"Content-Disposition": 'attachment; filename="proxyd-launcher.pyz"'}
    return Response(page.launcher(), media_type="application/octet-stream", headers=headers)


@router.post("/secrets/{name}/credentials/{id}/revoke")
def revoke(page: ThePage, visitor: Mine, name: str, id: str) -> Response:  # noqa: A002
    """Take a credential of one's own back."""
    request = RevokeCredential(id=id, user=visitor.name)
    return act(page, visitor, request, f"/secrets/{name}", "revoked")


@router.get("/secrets/{name}/credentials/{id}.rdp")
def download_rdp(page: ThePage, visitor: Mine, name: str, id: str) -> Response:  # noqa: A002
    """Return a file that mstsc opens. There is no password in it."""
    found = next((one for one in _credentials(page, visitor, name) if one.id == id), None)
    port = page.operations.node.gateways.ports.get(TargetProtocol.RDP, 0)
    if found is None or not port:
        raise NotFoundError(f"you have no credential {id} for a desktop")
    issued = IssuedCredential(
        id=found.id,
        username=found.username,
        password="",
        host=page.host,
        port=port,
        protocol=TargetProtocol.RDP,
        expires_at=found.expires_at,
        uses=found.uses,
        commands={},
        channels=_reachable(page, visitor, name).channels,
    )
    headers = {"Content-Disposition": f'attachment; filename="{found.username}.rdp"'}
    file = rdp_file(issued, page.rdp_signer())
    return Response(file, media_type="application/x-rdp", headers=headers)


@router.post("/secrets/{name}/favourite")
def favourite(
    page: ThePage, visitor: Mine, name: str, is_favourite: Annotated[bool, Form()]
) -> Response:
    """Put a secret on top, or back."""
    page.ask(
        SetFavourite(user=visitor.name, secret=name, is_favourite=is_favourite), visitor.name
    )
    return going_back("/secrets", "saved")


def _show(
    request: Request,
    page: Page,
    visitor: Visitor,
    name: str,
    issued: IssuedCredential | None = None,
    link: Link | None = None,
) -> Response:
    lines = [] if issued is None else _lines(issued.commands)
    asked = _asked(page, visitor, name)
    return render(
        request,
        "my_secret.html",
        secret=_reachable(page, visitor, name),
        credentials=_credentials(page, visitor, name)[:_SHOWN],
        issued=issued,
        lines=lines,
        link=link,
        launcher=LAUNCHER,
        asked=asked,
        approved=asked is not None and asked.state == "approved",
        lifetimes=LIFETIMES,
        uses=USES,
    )


def _lines(commands: Mapping[str, str]) -> list[Line]:
    return [
        Line(program=PROGRAMS.get(name, name), text=text) for name, text in commands.items()
    ]


def _link(request: Request, page: Page, made: IssuedLaunchLink) -> Link:
    """Return a link as it is shown: to the page as the visitor's browser has reached it."""
    address = request.url.netloc
    if not _ADDRESS.fullmatch(address):
        raise InvalidError("the page was asked for by a name that no link can hold")
    register = f"python3 proxyd-launcher.pyz register https://{address}"
    if shown := page.certificate_fingerprint():
        register += f" --fingerprint {shown}"
    reached = page.operations.node.gateways
    port = reached.ports.get(made.protocol, 0)
    return Link(
        href=f"proxyd://{address}{made.path}",
        expires_at=made.expires_at,
        register=register,
        lines=_lines(command_lines(made.protocol, "USER", reached.host, port)),
    )


def _reachable(page: Page, visitor: Visitor, name: str) -> ReachableSecret:
    for one in page.list(ListReachable(user=visitor.name), visitor.name, ReachableSecret):
        if one.name == name:
            return one
    # One that exists and one that does not are the same to who may use neither.
    raise NotFoundError("you have no access to a secret of this name")


def _credentials(page: Page, visitor: Visitor, name: str) -> list[CredentialSummary]:
    found = page.list(ListCredentials(user=visitor.name), visitor.name, CredentialSummary)
    return [one for one in found if one.secret == name and one.state == "valid"]


def _asked(page: Page, visitor: Visitor, name: str) -> AccessRequestSummary | None:
    """Return what counts of what he asked for: what is approved, else the newest."""
    mine = ListAccessRequests(user=visitor.name)
    found = page.list(mine, visitor.name, AccessRequestSummary)
    asked = [one for one in found if one.secret == name and one.session is None]
    return next((one for one in asked if one.state == "approved"), asked[0] if asked else None)


def _used(secret: ReachableSecret) -> float:
    return secret.used_at.timestamp() if secret.used_at else 0.0
