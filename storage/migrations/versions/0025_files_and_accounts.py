"""Rules about files that cross; accounts that sessions change to."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and a column that is empty where nothing was said."""
    op.add_column("secrets", sa.Column("files_bytes", sa.BigInteger(), nullable=True))
    op.create_table(
        "secret_file_rules",
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("directions", sa.Text(), nullable=False),
        sa.Column("glob", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["secrets.id"],
            name="fk_secret_file_rules_secret_id_secrets",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_id", "name", name="pk_secret_file_rules"),
    )
    op.create_table(
        "secret_becomes",
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("with_secret_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["secrets.id"],
            name="fk_secret_becomes_secret_id_secrets",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["with_secret_id"],
            ["secrets.id"],
            name="fk_secret_becomes_with_secret_id_secrets",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("secret_id", name="pk_secret_becomes"),
    )
