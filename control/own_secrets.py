"""The secrets that somebody may use, as he sees them: found, shown, and who else is there."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from bus.own_account import FindSecrets, PeopleOn, Presence, SecretSeen, SecretsFound, WhoIsOn
from control import access, approvals, commands
from control.launches import engines_of
from storage.account_tables import FavouriteRow
from storage.tables import SecretRow, SessionRow, UserRow

_FIELDS = {
    "name": SecretRow.name,
    "host": SecretRow.host,
    "username": SecretRow.username,
    "site": SecretRow.site,
}
_MOST_PEOPLE = 200


def find(session: Session, user: UserRow, wanted: FindSecrets) -> SecretsFound:
    """Return those that he may reach and that fit."""
    query = select(SecretRow).where(
        access.reaches(user.id, SecretRow.id), *_conditions(user, wanted)
    )
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    page = _ordered(query, user, wanted).offset(wanted.skip).limit(wanted.take)
    rows = session.scalars(page).all()
    liked = set(
        session.scalars(select(FavouriteRow.secret_id).where(FavouriteRow.user_id == user.id))
    )
    found = tuple(_seen(session, row, favourite=row.id in liked) for row in rows)
    menu = commands.control_of(session, rows[0]).menu if wanted.exact and rows else ()
    more = max(0, total - wanted.skip - len(found))
    return SecretsFound(secrets=found, more=more, menu=menu)


def who(session: Session, user: UserRow, wanted: WhoIsOn) -> PeopleOn:
    """Return who is at the targets that he may reach, himself left out."""
    names = select(SecretRow.name).where(access.reaches(user.id, SecretRow.id))
    query = (
        select(SessionRow)
        .where(
            SessionRow.state == "live",
            SessionRow.user != user.name,
            SessionRow.secret.in_(names),
        )
        .order_by(SessionRow.started_at)
        .limit(_MOST_PEOPLE)
    )
    if wanted.secret:
        query = query.where(SessionRow.secret == wanted.secret)
    people = tuple(
        Presence(
            user=row.user,
            secret=row.secret,
            client_address=row.client_address,
            since=row.started_at,
        )
        for row in session.scalars(query)
    )
    return PeopleOn(people=people)


def _conditions(user: UserRow, wanted: FindSecrets) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.exact:
        conditions.append(SecretRow.name == wanted.text)
    elif wanted.text:
        fields = [_FIELDS[wanted.field]] if wanted.field in _FIELDS else list(_FIELDS.values())
        conditions.append(
            or_(*(field.icontains(wanted.text, autoescape=True) for field in fields))
        )
    if wanted.folder:
        conditions.append(SecretRow.name.startswith(wanted.folder, autoescape=True))
    if wanted.of_site:
        conditions.append(SecretRow.site == wanted.of_site)
    if wanted.favourites:
        favourites = select(FavouriteRow.secret_id).where(FavouriteRow.user_id == user.id)
        conditions.append(SecretRow.id.in_(favourites))
    if wanted.protocol:
        conditions.append(SecretRow.protocol == wanted.protocol)
    return conditions


def _ordered(query: Select[SecretRow], user: UserRow, wanted: FindSecrets) -> Select[SecretRow]:
    if not wanted.recent:
        return query.order_by(SecretRow.name)
    last = (
        select(SessionRow.secret, func.max(SessionRow.started_at).label("at"))
        .where(SessionRow.user == user.name)
        .group_by(SessionRow.secret)
        .subquery()
    )
    return query.join(last, last.c.secret == SecretRow.name).order_by(last.c.at.desc())


def _seen(session: Session, row: SecretRow, *, favourite: bool) -> SecretSeen:
    there: Sequence[str] = engines_of(session, row.site) if row.site else ()
    return SecretSeen(
        name=row.name,
        protocol=row.protocol,
        host=row.host,
        port=row.port,
        username=row.username,
        site=row.site or "",
        channels=tuple(filter(None, row.channels.split(","))),
        demands=approvals.demands_of(row),
        engines=tuple(there),
        favourite=favourite,
    )
