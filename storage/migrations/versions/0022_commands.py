"""What secrets say about commands, and commands that wait for approval."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and add a column that is empty where people asked to be let in."""
    op.add_column(
        "access_requests", sa.Column("command", sa.Text(), nullable=False, server_default="")
    )
    op.create_table(
        "secret_commands",
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["secrets.id"],
            name="fk_secret_commands_secret_id_secrets",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_id", "name", name="pk_secret_commands"),
    )
