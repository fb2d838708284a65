"""How long recordings are kept, which are held, and what is left of those deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns that may be empty, which takes no time, and two small tables."""
    op.add_column("sessions", sa.Column("hold_reason", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("deleted_at", _MOMENT, nullable=True))
    op.create_table(
        "retention_rules",
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("days", _INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("scope", "name", name="pk_retention_rules"),
    )
    op.create_table(
        "tombstones",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("chunks", _INTEGER, nullable=False),
        sa.Column("size_bytes", _INTEGER, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_tombstones"),
    )
