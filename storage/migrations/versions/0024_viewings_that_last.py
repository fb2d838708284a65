"""Who looks at which recording, so that a restart or another node knows."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "viewings",
        sa.Column("login", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("looks", sa.String(32), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("login", "session_id", "looks", name="pk_viewings"),
    )
    op.create_index("ix_viewings_seen_at", "viewings", ["seen_at"])
