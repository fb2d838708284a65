"""Find any substring on PostgreSQL too; list sessions by what they are filtered by."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0001"
branch_labels = None
depends_on = None

_WAITING = sa.text("indexed = 0")
_LIVE = sa.text("state = 'live'")


def upgrade() -> None:
    """Add indexes. Where a table may be large by now, writers go on meanwhile."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        # zstd has compressed what is in there: PostgreSQL would try again in vain.
        for table in ("blobs", "quarantine"):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN data SET STORAGE EXTERNAL")
    _index("ix_sessions_user", "sessions", "user", "started_at")
    _index("ix_sessions_secret", "sessions", "secret", "started_at")
    _index("ix_sessions_site", "sessions", "site", "started_at")
    _index("ix_sessions_live", "sessions", "started_at", where=_LIVE)
    _index("ix_chunks_waiting", "chunks", "session_id", "sequence", where=_WAITING)
    if op.get_bind().dialect.name == "postgresql":
        with _concurrently("ix_lines_trigrams"):
            op.create_index(
                "ix_lines_trigrams",
                "lines",
                ["text"],
                postgresql_using="gin",
                postgresql_ops={"text": "gin_trgm_ops"},
                postgresql_concurrently=True,
            )


def _index(name: str, table: str, *columns: str, where: sa.TextClause | None = None) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(name, table, list(columns), sqlite_where=where)
        return
    with _concurrently(name):
        op.create_index(
            name, table, list(columns), postgresql_where=where, postgresql_concurrently=True
        )


@contextmanager
def _concurrently(name: str) -> Iterator[None]:
    with op.get_context().autocommit_block():
        # A try that was cut short leaves an index that is not valid.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        yield
