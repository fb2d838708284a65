"""What NLA needs of a proxy credential for RDP: its NT hash, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be empty, which takes no time."""
    op.add_column("credentials", sa.Column("nt_hash", sa.LargeBinary(), nullable=True))
