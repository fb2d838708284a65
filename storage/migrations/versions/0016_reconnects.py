"""What a client's automatic reconnect needs: when and from where its connection was lost."""

import sqlalchemy as sa
from alembic import op

from storage.moments import UTC

revision = "0016"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that may be empty, which takes no time."""
    op.add_column("credentials", sa.Column("lost_at", UTC(), nullable=True))
    op.add_column("credentials", sa.Column("lost_from", sa.Text(), nullable=True))
