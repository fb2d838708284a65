"""One's own account: password, second factor, tokens, where one is logged in."""

from typing import Annotated, Final

import segno
from fastapi import APIRouter, Form
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from control import logins, second_factors
from control.account_requests import (
    CreateToken,
    IssuedToken,
    ListTokens,
    RevokeToken,
    TokenSummary,
)
from control.audit import Act
from control.errors import InvalidError
from control.rights import Right
from control.web.acting import act, going_back
from control.web.log_in_routes import Text, origin
from control.web.page import Page, ThePage
from control.web.rendering import render
from control.web.visitor import ENROL, NEW_PASSWORD, Visitor, require
from storage.account_tables import LoginRow, PasskeyRow, TOTPRow

router = APIRouter(include_in_schema=False)

# A token never does any of this: who found one would be in for good.
Myself = Annotated[Visitor, require(Right.ONESELF, person=True)]
Enrolling = Annotated[Visitor, require(Right.ONESELF, steps=(ENROL,), proof=True, person=True)]
ChangingPassword = Annotated[
    Visitor, require(Right.ONESELF, steps=(NEW_PASSWORD,), person=True)
]
Proved = Annotated[Visitor, require(Right.ONESELF, proof=True, person=True)]

TOKEN_LIFETIMES: Final = {"30 days": 30, "90 days": 90, "1 year": 366}
_DAY_S: Final = 86400


@router.get("/profile")
def profile(request: Request, page: ThePage, visitor: Myself) -> Response:
    """Show one's account."""
    return _profile(request, page, visitor)


@router.get(NEW_PASSWORD)
def ask_new_password(request: Request, visitor: ChangingPassword) -> Response:
    """Show the form."""
    return render(request, "new_password.html")


@router.post(NEW_PASSWORD)
def new_password(
    request: Request,
    page: ThePage,
    visitor: ChangingPassword,
    old: Text,
    new: Text,
    again: Text,
) -> Response:
    """Take a new password; every other browser is logged out."""
    if new != again:
        raise InvalidError("the two new passwords differ: type them again")
    known = visitor.logged_in.known
    page.log_in.change_password(known, old, new, origin(request))
    with page.database.transaction() as session:
        logins.end_all(session, known.id, but=visitor.logged_in.digest)
    return going_back("/profile", "changed")


@router.get(ENROL)
def second_factor(request: Request, visitor: Enrolling) -> Response:
    """Show what there is, and how to enrol."""
    factors = visitor.logged_in.known.factors
    return render(request, "enrol.html", factors=factors, key="", qr="", problem="")


@router.post(ENROL)
def begin_enrolment(request: Request, page: ThePage, visitor: Enrolling) -> Response:
    """Make a key, and show it this once."""
    known = visitor.logged_in.known
    with page.database.transaction() as session:
        made = second_factors.begin(session, page.vault, known.id, known.name, page.host)
    return render(
        request,
        "enrol.html",
        factors=known.factors,
        key=made.key,
        qr=_qr(made.uri),
        problem="",
    )


@router.post(ENROL + "/confirm")
def confirm(request: Request, page: ThePage, visitor: Enrolling, code: Text) -> Response:
    """Take the first code; show the recovery codes this once."""
    known, now = visitor.logged_in.known, page.clock.now()
    with page.database.transaction() as session:
        typed = code.strip().replace(" ", "")
        codes = second_factors.confirm(session, page.vault, known.id, typed, now)
        logins.prove(session, visitor.logged_in.digest, now, second_factor=True)
        logins.end_all(session, known.id, but=visitor.logged_in.digest)
        Act(known.name, now).note(session, "user.second_factor_enrolled", known.name, "totp")
    return render(request, "recovery_codes.html", codes=codes)


@router.post(ENROL + "/codes")
def new_codes(request: Request, page: ThePage, visitor: Proved) -> Response:
    """Make new recovery codes, and show them this once."""
    known = visitor.logged_in.known
    if not known.factors.totp:
        raise InvalidError("enrol a device first: recovery codes stand in for it")
    with page.database.transaction() as session:
        codes = second_factors.renew_recovery_codes(session, page.vault, known.id)
        act = Act(known.name, page.clock.now())
        act.note(session, "user.recovery_codes_renewed", known.name)
    return render(request, "recovery_codes.html", codes=codes)


@router.post(ENROL + "/remove")
def remove_device(page: ThePage, visitor: Proved) -> Response:
    """Forget the device and the recovery codes."""
    known = visitor.logged_in.known
    with page.database.transaction() as session:
        second_factors.remove_totp(session, known.id)
        act = Act(known.name, page.clock.now())
        act.note(session, "user.second_factor_removed", known.name, "totp")
    return going_back("/profile", "removed")


@router.post("/profile/tokens")
def create_token(
    request: Request,
    page: ThePage,
    visitor: Proved,
    name: Text,
    days: Annotated[float, Form(gt=0, le=3660)],
) -> Response:
    """Make a token, and show it this once."""
    wanted = CreateToken(user=visitor.name, name=name, ttl_s=days * _DAY_S)
    issued = page.one(wanted, visitor.name, IssuedToken)
    return _profile(request, page, visitor, issued)


@router.post("/profile/tokens/{id}/revoke")
def revoke_token(page: ThePage, visitor: Myself, id: str) -> Response:  # noqa: A002
    """Take a token back."""
    return act(page, visitor, RevokeToken(id=id, user=visitor.name), "/profile", "revoked")


@router.post("/profile/logout-others")
def log_out_others(page: ThePage, visitor: Myself) -> Response:
    """Log out every other browser."""
    with page.database.transaction() as session:
        user_id = visitor.logged_in.known.id
        logins.end_all(session, user_id, but=visitor.logged_in.digest)
        act = Act(visitor.name, page.clock.now())
        act.note(session, "user.logged_out", visitor.name, "everywhere else")
    return going_back("/profile", "ended")


def _profile(
    request: Request, page: Page, visitor: Visitor, issued: IssuedToken | None = None
) -> Response:
    known = visitor.logged_in.known
    with page.database.read() as session:
        browsers = list(
            session.scalars(
                select(LoginRow)
                .where(LoginRow.user_id == known.id)
                .order_by(LoginRow.seen_at.desc())
            )
        )
        passkeys = list(
            session.scalars(select(PasskeyRow).where(PasskeyRow.user_id == known.id))
        )
        device = session.get(TOTPRow, known.id)
    return render(
        request,
        "profile.html",
        known=known,
        device=device,
        passkeys=passkeys,
        browsers=browsers,
        tokens=page.list(ListTokens(user=known.name), known.name, TokenSummary),
        issued=issued,
        lifetimes=TOKEN_LIFETIMES,
    )


def _qr(uri: str) -> str:
    return segno.make(uri, error="m").svg_inline(scale=4, border=4, title="QR code of the key")
