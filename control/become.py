"""Whom a secret's shells become: kept here, carried out on the engine."""

from msgspec import structs
from sqlalchemy.orm import Session

from bus.become import BecomeError, account_of, check
from bus.contract import TargetCredential
from control import secrets
from control.command_requests import BecomeSummary, SetBecome
from control.errors import InvalidError
from control.vault import Vault
from recorder.session_info import TargetProtocol
from storage.access_tables import BecomeRow
from storage.tables import SecretRow


def put(session: Session, request: SetBecome) -> BecomeSummary:
    """Say whom a secret's shells become; raise `NotFoundError` or `InvalidError`."""
    owner = secrets.find(session, request.secret)
    row = session.get(BecomeRow, owner.id)
    if not request.command:
        if row:
            session.delete(row)
        return BecomeSummary(secret=owner.name, command="", account="", with_secret=None)
    try:
        check(request.command)
    except BecomeError as error:
        raise InvalidError(str(error)) from error
    if owner.protocol != TargetProtocol.SSH:
        raise InvalidError(f"`{owner.name}` is reached by RDP: it has no shell")
    if row is None:
        row = BecomeRow(secret_id=owner.id)
        session.add(row)
    row.command, row.with_secret_id = request.command, None
    if request.with_secret is not None:
        given = secrets.find(session, request.with_secret)
        if given.credential_kind != "password":
            raise InvalidError(
                f"`{given.name}` holds no password that could be typed: name another secret"
            )
        row.with_secret_id = given.id
    session.flush()
    return show(session, request.secret)


def show(session: Session, name: str) -> BecomeSummary:
    """Say whom a secret's shells become; raise `NotFoundError`."""
    owner = secrets.find(session, name)
    row = session.get(BecomeRow, owner.id)
    given = session.get(SecretRow, row.with_secret_id) if row and row.with_secret_id else None
    return BecomeSummary(
        secret=owner.name,
        command=row.command if row else "",
        account=account_of(row.command) if row else "",
        with_secret=given.name if given else None,
    )


def command_of(session: Session, secret: SecretRow) -> str:
    """Return what the engine is to have run; empty: nothing."""
    row = session.get(BecomeRow, secret.id)
    return row.command if row else ""


def with_password(
    session: Session, vault: Vault, secret: SecretRow, credential: TargetCredential
) -> TargetCredential:
    """Return `credential` with what that command asks for."""
    row = session.get(BecomeRow, secret.id)
    given = session.get(SecretRow, row.with_secret_id) if row and row.with_secret_id else None
    if given is None:
        return credential
    return structs.replace(credential, become_password=vault.open(given).password)
