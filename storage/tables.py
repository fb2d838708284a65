"""Every table, in one place. Times are UTC; digests and keys are raw bytes.

`storage.migrations` makes these; a test compares the two.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.moments import UTC

_LIVE = sql("state = 'live'")
_TOLD = sql("kind <> 'output'")
"""Few lines, among many that were shown."""


class Table(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own name for it
        dt.datetime: UTC,
        UUID: Uuid,
        bytes: LargeBinary,
        str: Text,
        int: BigInteger().with_variant(Integer, "sqlite"),
    }


class SecretRow(Table):
    """A secret. What is secret of it is in `sealed`, under a data key of its own."""

    __tablename__ = "secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    version: Mapped[int]
    protocol: Mapped[str]
    host: Mapped[str]
    port: Mapped[int]
    username: Mapped[str]
    domain: Mapped[str | None]
    credential_kind: Mapped[str]
    sealed: Mapped[bytes]
    """AES-256-GCM of the `TargetCredential`; nonce first; AAD is id and version."""
    wrapped_key: Mapped[bytes]
    """The data key under the master key (AES key wrap, RFC 3394)."""
    master_key_id: Mapped[str]
    host_key_policy: Mapped[str]
    host_keys: Mapped[str]
    """One a line."""
    record: Mapped[str]
    on_loss: Mapped[str | None]
    channels: Mapped[str]
    """Comma-separated."""
    capture: Mapped[str]
    mask_typed: Mapped[bool]
    files_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """The most that is kept, each way, of a channel that carries files; NULL: as of others."""
    site: Mapped[str | None]
    demands: Mapped[str] = mapped_column(default="", server_default="")
    """Comma-separated: what is to be there before it is launched."""
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]


class KeyRow(Table):
    """A key that outlives the master key, wrapped by it: the pepper of proxy credentials."""

    __tablename__ = "keys"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    wrapped: Mapped[bytes]
    """AES key wrap, RFC 3394."""
    master_key_id: Mapped[str]


class UserRow(Table):
    """A person."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    """argon2id, with its parameters."""
    must_change_password: Mapped[bool] = mapped_column(
        default=False, server_default=sql("false")
    )
    disabled: Mapped[bool]
    ssh_login: Mapped[str] = mapped_column(default="either", server_default="either")
    """What he shows at the SSH gateway: `either both key`."""
    created_at: Mapped[dt.datetime]


class AccessRow(Table):
    """A user may reach a secret."""

    __tablename__ = "access"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret_id: Mapped[UUID] = mapped_column(
        ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True
    )
    granted_at: Mapped[dt.datetime]


class CredentialRow(Table):
    """A proxy credential. The password is not in here, only what proves it."""

    __tablename__ = "credentials"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(20), unique=True)
    password_mac: Mapped[bytes]
    """HMAC-SHA256, under the pepper, of the proof."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    secret_id: Mapped[UUID]
    """No foreign key: a credential outlives its secret, so that its refusal can say why."""
    uses: Mapped[int]
    used: Mapped[int]
    source: Mapped[str | None]
    issued_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    nt_hash: Mapped[bytes | None]
    """Of a credential for RDP, while it opens anything: sealed by `control.nt_hashes`."""
    lost_at: Mapped[dt.datetime | None]
    """When the connection of its last session broke; None once its client has come back."""
    lost_from: Mapped[str | None]
    """The client's address in that session."""


class SessionRow(Table):
    """A session, from its grant on. It names user and secret in words: they may be removed."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_started_at", "started_at"),
        Index("ix_sessions_user", "user", "started_at"),
        Index("ix_sessions_secret", "secret", "started_at"),
        Index("ix_sessions_site", "site", "started_at"),
        Index("ix_sessions_live", "started_at", sqlite_where=_LIVE, postgresql_where=_LIVE),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    protocol: Mapped[str]
    state: Mapped[str]
    """`live finished interrupted lost`."""
    user: Mapped[str]
    secret: Mapped[str]
    target: Mapped[str]
    site: Mapped[str]
    engine: Mapped[str]
    client_address: Mapped[str]
    credential_id: Mapped[str | None]
    started_at: Mapped[dt.datetime]
    ready_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    end_reason: Mapped[str | None]
    last_sequence: Mapped[int | None]
    """The number of the chunk that ends the session, once it has arrived."""
    chunks: Mapped[int]
    input_bytes: Mapped[int]
    output_bytes: Mapped[int]
    chain_broken: Mapped[bool]
    signed: Mapped[bool] = mapped_column(default=True)
    """Whether every chunk must bear an engine's signature; not so before there were any."""
    hold_reason: Mapped[str | None]
    """While it is set, the recording is not deleted, however old."""
    deleted_at: Mapped[dt.datetime | None]
    """When the deletion of the recording began; `TombstoneRow` tells more."""


class ChunkRow(Table):
    """A stored chunk; its bytes are in the blob store."""

    __tablename__ = "chunks"
    __table_args__ = (
        Index("ix_chunks_unindexed", "indexed", "stored_at", "session_id", "sequence"),
        Index(
            "ix_chunks_waiting",
            "session_id",
            "sequence",
            sqlite_where=sql("indexed = 0"),
            postgresql_where=sql("indexed = 0"),
        ),
    )

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes]
    previous_digest: Mapped[bytes]
    sealed: Mapped[str]
    first_ms: Mapped[int]
    last_ms: Mapped[int]
    first_at: Mapped[dt.datetime]
    size_bytes: Mapped[int]
    blob: Mapped[str]
    """Key in the blob store; empty once the recording was deleted."""
    indexed: Mapped[int]
    """0 not yet, 1 done, 2 could not be indexed."""
    stored_at: Mapped[dt.datetime]


class BlobRow(Table):
    """A blob, where the database is the blob store."""

    __tablename__ = "blobs"

    key: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[bytes]


class QuarantinedRow(Table):
    """A chunk that came with the number of another one but other bytes, or with damage."""

    __tablename__ = "quarantine"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID | None]
    sequence: Mapped[int | None]
    reason: Mapped[str]
    data: Mapped[bytes]
    arrived_at: Mapped[dt.datetime]


class KeyframeRow(Table):
    """The screens of a session's terminals as a chunk opens: playback resumes here."""

    __tablename__ = "keyframes"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[bytes]
    """What `recorder.replay` hands from one chunk to the next, MessagePack."""


class OutlineRow(Table):
    """What a page shows of a chunk before it is played."""

    __tablename__ = "outlines"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outline: Mapped[bytes]
    """What `recorder.replay.outline` reads, MessagePack."""


class LineRow(Table):
    """A line of the index: something typed, shown, run or moved.

    SQLite mirrors `text` in a table of FTS5; PostgreSQL has an index of its trigrams.
    """

    __tablename__ = "lines"
    __table_args__ = (
        Index("ix_lines_chunk", "session_id", "sequence"),
        Index(
            "ix_lines_told", "session_id", "at_ms", sqlite_where=_TOLD, postgresql_where=_TOLD
        ),
        Index(
            "ix_lines_trigrams",
            "text",
            postgresql_using="gin",
            postgresql_ops={"text": "gin_trgm_ops"},
            info={"only": "postgresql"},
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"))
    sequence: Mapped[int]
    """Of the chunk it came from; indexing a chunk again replaces its lines."""
    at_ms: Mapped[int]
    kind: Mapped[str]
    channel: Mapped[int | None]
    text: Mapped[str]


class EngineRow(Table):
    """An engine: who asked to be one, which are, which were."""

    __tablename__ = "engines"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str]
    state: Mapped[str]
    """`pending active revoked`."""
    enrolment: Mapped[bytes]
    """The `EnrolEngine` that it came with, as `bus.codec` writes it; empty: the local one."""
    welcome: Mapped[bytes | None]
    """The `EngineEnrolled` that answers it, once approved."""
    requested_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    """Of the enrolment, while it is pending."""
    approved_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]
    keys_told_at: Mapped[dt.datetime | None]
    """When it last fetched the keys that it is to believe."""
    host_keys: Mapped[str] = mapped_column(server_default="")
    """What its SSH gateway showed to users when it last started, a line each."""
    certificate_fingerprint: Mapped[str] = mapped_column(server_default="")
    """SHA-256 of what its RDP gateway did."""


class NodeKeyRow(Table):
    """A public key of an engine, of `control`, or of `storage`; kept for old recordings."""

    __tablename__ = "node_keys"
    __table_args__ = (Index("ix_node_keys_node", "node"),)

    public_key: Mapped[bytes] = mapped_column(primary_key=True)
    """Raw, 32 bytes."""
    node: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str]
    """`signing` (Ed25519), `sealing` or `recording` (X25519)."""
    valid_from: Mapped[dt.datetime]
    valid_until: Mapped[dt.datetime | None]
    """What it signed before stays true; nothing that it signs later counts."""


class LogRow(Table):
    """An entry of the log of sessions, which only grows: a session that has ended."""

    __tablename__ = "session_log"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0, 1, 2, … without a gap."""
    session_id: Mapped[UUID] = mapped_column(unique=True)
    """No foreign key: that a session was there stays known when it is gone."""
    last_digest: Mapped[bytes]
    """Of the chunk that ends the session: stands for all of them."""
    added_at: Mapped[dt.datetime]


class AuditRow(Table):
    """Who did what. Triggers refuse to change or delete a row."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[dt.datetime]
    who: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]


class AuditExportRow(Table):
    """How far the audit trail was copied to a syslog server."""

    __tablename__ = "audit_exports"

    destination: Mapped[str] = mapped_column(primary_key=True)
    last_id: Mapped[int]
    """Of the row that arrived last; all before it did, too."""
    exported_at: Mapped[dt.datetime]
