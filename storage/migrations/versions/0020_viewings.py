"""Requests to see a recording, beside those to launch a secret."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be empty, which takes no time."""
    op.add_column("access_requests", sa.Column("session_id", sa.Uuid(), nullable=True))
