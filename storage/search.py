"""Finds text in what was typed, shown, run and moved: any substring, whatever its case."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, column, literal_column, select, table

from storage.database import Database
from storage.tables import LineRow

_SHOWN = "output"
"""Most lines are of this kind, and an index leaves them out."""
_SHORTEST_INDEXED = 3
"""Characters: below that there is no trigram, and every line is looked at."""


class Hit(Struct, frozen=True, kw_only=True):
    """A line that holds the text."""

    session: UUID
    at_ms: int
    kind: str
    text: str
    channel: int | None


class Search:
    """Answers from the index; what was not indexed yet is not found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, text: str, kinds: tuple[str, ...] = (), limit: int = 1000) -> list[Hit]:
        """Return lines that hold `text`, newest session first, each in order of time.

        `kinds` are of `input output command title file clipboard`; empty: all. Where
        there are more than `limit`, the ones indexed last. Raises
        `StorageUnavailableError`.
        """
        wanted = text.replace("\0", "").encode(errors="replace").decode()
        if not wanted:
            return []
        query = select(LineRow).order_by(LineRow.id.desc()).limit(limit)
        if kinds:
            query = query.where(LineRow.kind.in_(kinds))
        with self._database.read() as session:
            query = query.where(_HOLDS[session.get_bind().dialect.name](wanted))
            rows = list(session.scalars(query))
        newest_first: dict[UUID, int] = {}
        for row in rows:
            newest_first.setdefault(row.session_id, len(newest_first))
        rows.sort(key=lambda row: (newest_first[row.session_id], row.at_ms, row.id))
        return [_hit(row) for row in rows]

    def lines(
        self, session_id: UUID, kinds: tuple[str, ...], text: str = "", limit: int = 1000
    ) -> list[Hit]:
        """Return the lines of a session that hold `text`, in order of time.

        Where there are more than `limit`, the first ones. Raises `StorageUnavailableError`.
        """
        query = select(LineRow).where(LineRow.session_id == session_id, LineRow.kind.in_(kinds))
        if _SHOWN not in kinds:
            query = query.where(LineRow.kind != literal_column(f"'{_SHOWN}'"))
        if text:
            wanted = text.replace("\0", "").encode(errors="replace").decode()
            query = query.where(LineRow.text.icontains(wanted, autoescape=True))
        with self._database.read() as session:
            rows = session.scalars(query.order_by(LineRow.at_ms, LineRow.id).limit(limit))
            return [_hit(row) for row in rows]


def _hit(row: LineRow) -> Hit:
    return Hit(
        session=row.session_id,
        at_ms=row.at_ms,
        kind=row.kind,
        text=row.text,
        channel=row.channel,
    )


def _holds_in_sqlite(text: str) -> ColumnElement[bool]:
    """FTS5 with trigrams, where a quoted string is a substring and no syntax."""
    if len(text) < _SHORTEST_INDEXED:
        return LineRow.text.icontains(text, autoescape=True)
    trigrams = table("lines_text", column("rowid"), column("lines_text"))
    quoted = '"' + text.replace('"', '""') + '"'
    matching = select(trigrams.c.rowid).where(trigrams.c.lines_text.op("MATCH")(quoted))
    return LineRow.id.in_(matching)


def _holds_in_postgresql(text: str) -> ColumnElement[bool]:
    """ILIKE, which the index of trigrams answers; without an ESCAPE, a backslash is one."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return LineRow.text.ilike(f"%{escaped}%")


_HOLDS: Final[dict[str, Callable[[str], ColumnElement[bool]]]] = {
    "sqlite": _holds_in_sqlite,
    "postgresql": _holds_in_postgresql,
}
