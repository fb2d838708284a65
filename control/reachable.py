"""What a user sees of the secrets he has access to."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from control import access, secrets, users
from control.account_requests import ReachableSecret
from control.errors import NotFoundError
from recorder.session_info import TargetProtocol
from storage.account_tables import FavouriteRow
from storage.tables import SecretRow, SessionRow


def list_for(session: Session, user: str) -> list[ReachableSecret]:
    """Return the secrets of a user, favourites first, by name; raise `NotFoundError`."""
    user_id = users.find(session, user).id
    used = (
        select(SessionRow.secret, func.max(SessionRow.started_at).label("used_at"))
        .where(SessionRow.user == user)
        .group_by(SessionRow.secret)
        .subquery()
    )
    query = (
        select(SecretRow, FavouriteRow.user_id, used.c.used_at)
        .outerjoin(
            FavouriteRow,
            (FavouriteRow.secret_id == SecretRow.id) & (FavouriteRow.user_id == user_id),
        )
        .outerjoin(used, used.c.secret == SecretRow.name)
        .where(access.reaches(user_id, SecretRow.id))
        .order_by(FavouriteRow.user_id.is_(None), SecretRow.name)
    )
    return [
        ReachableSecret(
            name=row.name,
            protocol=TargetProtocol(row.protocol),
            host=row.host,
            site=row.site,
            is_favourite=favourite is not None,
            used_at=used_at,
            demands=tuple(filter(None, row.demands.split(","))),
            channels=secrets.channels_of(row),
        )
        for row, favourite, used_at in session.execute(query)
    ]


def set_favourite(session: Session, user: str, secret: str, *, is_favourite: bool) -> None:
    """Put a secret on top of a user's list, or back; raise `NotFoundError`."""
    user_id = users.find(session, user).id
    secret_id = session.scalar(select(SecretRow.id).where(SecretRow.name == secret))
    if secret_id is None or not access.may_reach(session, user_id, secret_id):
        raise NotFoundError(f"user `{user}` has no access to a secret named `{secret}`")
    row = session.get(FavouriteRow, (user_id, secret_id))
    if is_favourite and row is None:
        session.add(FavouriteRow(user_id=user_id, secret_id=secret_id))
    elif not is_favourite and row is not None:
        session.delete(row)
