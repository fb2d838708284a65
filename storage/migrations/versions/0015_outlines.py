"""Outlines: what a page shows of a recording before it is played; an index for its lists."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0010"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make both; what was recorded before gets its outlines when it is first looked at."""
    op.create_table(
        "outlines",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("outline", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_outlines_session_id"),
        sa.PrimaryKeyConstraint("session_id", "sequence", name="pk_outlines"),
    )
    not_shown = sa.text("kind <> 'output'")
    op.create_index(
        "ix_lines_told",
        "lines",
        ["session_id", "at_ms"],
        sqlite_where=not_shown,
        postgresql_where=not_shown,
    )
