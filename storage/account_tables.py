"""The tables of accounts: second factors, who is logged in, API tokens, launch links.

INVARIANT: nothing in here lets its reader log in. What a browser or a script presents is
kept as a digest, the key of one-time codes is sealed, a passkey's key is the public one.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Table

_OF_A_USER = "users.id"


class TOTPRow(Table):
    """The key of a user's one-time codes (RFC 6238)."""

    __tablename__ = "totp_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER), primary_key=True)
    sealed: Mapped[bytes]
    """Sealed by `control.second_factors` to this user's row."""
    confirmed_at: Mapped[dt.datetime | None]
    """None while the user has not shown that his device has it, too."""
    last_step: Mapped[int]
    """The time step of the code that was taken last: neither it nor an older one is again."""


class RecoveryCodeRow(Table):
    """A code that stands in, once, for a device that was lost."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_user_id", "user_id"),)

    mac: Mapped[bytes] = mapped_column(primary_key=True)
    """HMAC-SHA256 under the pepper, of the user and the code."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    used_at: Mapped[dt.datetime | None]


class PasskeyRow(Table):
    """A passkey (WebAuthn)."""

    __tablename__ = "passkeys"
    __table_args__ = (Index("ix_passkeys_user_id", "user_id"),)

    id: Mapped[bytes] = mapped_column(primary_key=True)
    """The credential id, as the authenticator gave it."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    name: Mapped[str]
    public_key: Mapped[bytes]
    """COSE."""
    sign_count: Mapped[int]
    created_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]


class LoginRow(Table):
    """A browser that is logged in, or on the way there."""

    __tablename__ = "logins"
    __table_args__ = (Index("ix_logins_user_id", "user_id"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of the 256 random bits in the cookie."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    began_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    """To the minute."""
    second_factor_at: Mapped[dt.datetime | None]
    proved_at: Mapped[dt.datetime]
    """When the user last proved who he is; some pages want that to be a short while ago."""
    address: Mapped[str]


class ViewingRow(Table):
    """Somebody's looking at one session, from one log-in or with one token."""

    __tablename__ = "viewings"
    __table_args__ = (Index("ix_viewings_seen_at", "seen_at"),)

    login: Mapped[bytes] = mapped_column(primary_key=True)
    """The digest of a log-in or of a token."""
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    looks: Mapped[str] = mapped_column(String(32), primary_key=True)
    """What he looks at: the name of the act in the audit trail."""
    seen_at: Mapped[dt.datetime]
    """To a tenth of how long it may idle."""


class TokenRow(Table):
    """A bearer token for the API."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("ix_api_tokens_user_id", "user_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256 of the 256 random bits that the user was shown once."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    name: Mapped[str]
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    used_at: Mapped[dt.datetime | None]
    """To the minute."""
    revoked_at: Mapped[dt.datetime | None]


class LaunchLinkRow(Table):
    """A link that starts a client on a user's machine, once."""

    __tablename__ = "launch_links"
    __table_args__ = (Index("ix_launch_links_expires_at", "expires_at"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of the 192 random bits in the link."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    secret_id: Mapped[UUID] = mapped_column(ForeignKey("secrets.id", ondelete="CASCADE"))
    login: Mapped[bytes]
    """The digest of the log-in or of the token that it was made from, and ends with."""
    comment: Mapped[str]
    ticket: Mapped[str]
    """What the secret demanded of whoever made it."""
    made_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]


class FavouriteRow(Table):
    """A secret that a user wants on top."""

    __tablename__ = "favourites"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER), primary_key=True)
    secret_id: Mapped[UUID] = mapped_column(
        ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True
    )


class IdentityRow(Table):
    """Who a user is at an identity provider (OpenID Connect)."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    linked_at: Mapped[dt.datetime]
