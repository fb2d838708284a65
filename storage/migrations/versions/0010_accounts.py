"""Accounts: second factors, who is logged in to the page, API tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0016"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and let a user's password be one that he must change."""
    op.add_column(
        "users",
        sa.Column(
            "must_change_password", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    _second_factors()
    _coming_in()
    op.create_table(
        "favourites",
        _user(),
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        _of_user("favourites"),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["secrets.id"],
            name="fk_favourites_secret_id_secrets",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "secret_id", name="pk_favourites"),
    )


def _second_factors() -> None:
    op.create_table(
        "totp_keys",
        _user(),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", _MOMENT, nullable=True),
        sa.Column("last_step", _COUNT, nullable=False),
        _of_user("totp_keys"),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_keys"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        _user(),
        sa.Column("used_at", _MOMENT, nullable=True),
        _of_user("recovery_codes"),
        sa.PrimaryKeyConstraint("mac", name="pk_recovery_codes"),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        _user(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", _COUNT, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT, nullable=True),
        _of_user("passkeys"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
    )
    for table in ("recovery_codes", "passkeys"):
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])


def _coming_in() -> None:
    op.create_table(
        "logins",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _user(),
        sa.Column("began_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("second_factor_at", _MOMENT, nullable=True),
        sa.Column("proved_at", _MOMENT, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        _of_user("logins"),
        sa.PrimaryKeyConstraint("digest", name="pk_logins"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _user(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        _of_user("api_tokens"),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("digest", name="uq_api_tokens_digest"),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        _user(),
        sa.Column("linked_at", _MOMENT, nullable=False),
        _of_user("identities"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
    )
    for table in ("logins", "api_tokens"):
        op.create_index(f"ix_{table}_user_id", table, ["user_id"])


def _user() -> sa.Column[object]:
    return sa.Column("user_id", sa.Uuid(), nullable=False)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id_users")
