"""Keys of nodes, the log of sessions, and which sessions are signed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make both tables; the sessions that are there were recorded before signatures."""
    op.create_table(
        "node_keys",
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("valid_from", _MOMENT, nullable=False),
        sa.Column("valid_until", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("public_key", name="pk_node_keys"),
    )
    op.create_index("ix_node_keys_node", "node_keys", ["node"], unique=False)
    op.create_table(
        "session_log",
        sa.Column("position", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("last_digest", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_session_log"),
        sa.UniqueConstraint("session_id", name="uq_session_log_session_id"),
    )
    # The default stays: a node of the version before may still be writing. And SQLite could
    # take it away only by copying the table, which the rows that refer to it forbid.
    op.add_column(
        "sessions", sa.Column("signed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
