"""Every message that crosses between nodes, and nothing else.

Two nodes of different versions meet here: a field may be added with a default,
never renamed or given another meaning. A change beyond that is a new message.
"""

import datetime as dt
import enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from bus.command_reports import CommandHeld, CommandReport, HoldCommand
from bus.command_rules import CommandControl
from bus.own_account import AccountReply, AccountRequest
from bus.pause import PauseSession
from recorder.chunk import Digest
from recorder.data_key import WrappedKey
from recorder.events import EndReason
from recorder.session_info import RecordingTerms, Target, TargetProtocol


class DenialReason(enum.StrEnum):
    """Why a user was refused. Shown to operators; the user sees one text for all."""

    UNKNOWN = "unknown"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason, not a password
    WRONG_SECOND_FACTOR = "wrong_second_factor"
    EXPIRED = "expired"
    USED_UP = "used_up"
    REVOKED = "revoked"
    WRONG_SOURCE = "wrong_source"
    WRONG_PROTOCOL = "wrong_protocol"
    WRONG_SITE = "wrong_site"
    NO_ACCESS = "no_access"
    USER_DISABLED = "user_disabled"
    SECRET_REMOVED = "secret_removed"  # noqa: S105 - a reason, not a password
    LOCKED_OUT = "locked_out"
    ENGINE_REVOKED = "engine_revoked"
    KEY_DEMANDED = "key_demanded"
    NOT_APPROVED = "not_approved"


class HostKeyPolicy(enum.StrEnum):
    """How the target proves that it is the machine that was meant."""

    GIVEN = "given"
    TOFU = "tofu"
    ANY = "any"
    CA = "ca"
    """RDP: an authority that the engine trusts vouches for the target's name."""


class RedeemCredential(Struct, frozen=True, kw_only=True, tag="redeem_credential"):
    """Engine to control: a user presented this proxy credential."""

    engine_id: str
    site: str
    protocol: TargetProtocol
    username: str
    password_proof: bytes
    """`bus.proof.proof(username, password)`: the password itself never travels."""
    client_address: str
    """The client's IP address, without a port."""
    seal_to: bytes
    """The engine's ephemeral X25519 public key, 32 bytes: the credential is sealed to it."""

    def __repr__(self) -> str:
        # The proof opens what the password opens.
        return f"RedeemCredential(engine_id={self.engine_id!r}, <redacted>)"


class ProveNTLM(Struct, frozen=True, kw_only=True, tag="prove_ntlm"):
    """Engine to control: say what this answer to an NTLM challenge proves.

    The NT hash stays with control: what it lets out opens this one connection and no other.
    No use is counted; `RedeemCredential` follows once the client has handed the password over.
    """

    engine_id: str
    site: str
    protocol: TargetProtocol
    username: str
    """The proxy credential's, in small letters and without a domain."""
    ntlm_username: str
    """As the client wrote it: the answer covers it, and the domain."""
    ntlm_domain: str
    server_challenge: Annotated[bytes, Meta(min_length=8, max_length=8)]
    response: Annotated[bytes, Meta(min_length=44, max_length=16384)]
    """NtChallengeResponse ([MS-NLMP] 2.2.2.8)."""
    client_address: str
    seal_to: bytes
    """The engine's ephemeral X25519 public key, 32 bytes: the session key is sealed to it."""

    def __repr__(self) -> str:
        return f"ProveNTLM(engine_id={self.engine_id!r}, <redacted>)"


class NTLMProved(Struct, frozen=True, kw_only=True, tag="ntlm_proved"):
    """Control to engine: whoever answered knows the password."""

    sealed_key: bytes
    """SessionBaseKey ([MS-NLMP] 3.3.2), sealed by `bus.sealed` to the engine's key."""


class TargetCredential(Struct, frozen=True, kw_only=True):
    """What opens the target. Travels sealed; lives in memory from dialling to login."""

    username: str
    password: str | None = None
    private_key: bytes | None = None
    """OpenSSH or PEM, as it was given."""
    passphrase: str | None = None
    domain: str | None = None
    become_password: str | None = None
    """What the grant's `become_command` asks for."""

    def __repr__(self) -> str:
        return "TargetCredential(<redacted>)"


class Grant(Struct, frozen=True, kw_only=True, tag="grant"):
    """Control to engine: proof that this session was authorised, for this target.

    Whoever holds a grant need not ask again, and cannot reach another target
    with it: the target travels inside.
    """

    session_id: UUID
    user: str
    secret_name: str
    target: Target
    terms: RecordingTerms
    channels: frozenset[str]
    """What may be opened: `shell exec sftp scp subsystem local-forward remote-forward
    unix-forward agent x11`, or `subsystem:NAME`."""
    host_key_policy: HostKeyPolicy
    host_keys: tuple[str, ...]
    """Accepted keys, `ssh-ed25519 AAAA…`; empty under `tofu` until the first is pinned."""
    expires_at: dt.datetime | None
    sealed_credential: bytes
    """`TargetCredential`, MessagePack, sealed by `bus.sealed` to the key that was sent."""
    sealed_to_engine: bool = False
    """Whether it is sealed again, to the key that the engine was enrolled with."""
    commands: CommandControl = CommandControl()
    """What may be run, and which files may cross."""
    become_command: str = ""
    """What makes another account of the one that logs on; empty: nothing."""


class Denied(Struct, frozen=True, kw_only=True, tag="denied"):
    """Control to engine: no."""

    reason: DenialReason
    detail: str = ""
    """What somebody who has logged on may be told; a stranger is told nothing."""


class PinHostKey(Struct, frozen=True, kw_only=True, tag="pin_host_key"):
    """Engine to control: the target showed this key on first use."""

    session_id: UUID
    host_key: str


class HostKeysPinned(Struct, frozen=True, kw_only=True, tag="host_keys_pinned"):
    """Control to engine: these are the keys that hold, the first come or the one before it."""

    host_keys: tuple[str, ...]


class SessionReady(Struct, frozen=True, kw_only=True, tag="session_ready"):
    """Engine to control: the target took the login; the relay stands."""

    session_id: UUID


class SessionFailed(Struct, frozen=True, kw_only=True, tag="session_failed"):
    """Engine to control: the session ended before its recording could begin."""

    session_id: UUID
    end_reason: EndReason
    detail: str


class ConnectionLost(Struct, frozen=True, kw_only=True, tag="connection_lost"):
    """Engine to control: the client of this session is gone without having said so.

    It may come back by itself: a pair that is used up is let in once more for a while.
    """

    session_id: UUID


class EngineStarted(Struct, frozen=True, kw_only=True, tag="engine_started"):
    """Engine to control: what this engine still holds; its other live sessions are lost."""

    engine_id: str
    site: str
    spooled_sessions: tuple[UUID, ...]
    host_keys: tuple[Annotated[str, Meta(pattern=r"^[a-z0-9-]+ [A-Za-z0-9+/=]+\Z")], ...] = ()
    """What its SSH gateway shows to users."""
    certificate_fingerprint: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    """SHA-256 of what its RDP gateway shows."""


PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""A raw Ed25519 or X25519 public key."""
EngineName = Annotated[str, Meta(pattern=r"^engine-[a-z0-9-]{1,40}\Z")]
SiteName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]


class EnrolEngine(Struct, frozen=True, kw_only=True, tag="enrol_engine"):
    """Engine to control, signed by `signing_key` itself: let me serve this site.

    Sent again until it is answered by `EngineEnrolled`.
    """

    engine_id: EngineName
    site: SiteName
    signing_key: PublicKey
    """Ed25519."""
    sealing_key: PublicKey
    """X25519, of the engine and not of one login: what only this engine may read."""
    expires_at: dt.datetime
    """Not approved by then, it counts no more."""
    code_proof: bytes
    """`bus.enrolment.engine_proof`: whoever knows the one-time code sent this."""


class EnrolmentPending(Struct, frozen=True, kw_only=True, tag="enrolment_pending"):
    """Control to engine: an operator has yet to approve."""


class EngineEnrolled(Struct, frozen=True, kw_only=True, tag="engine_enrolled"):
    """Control to engine: approved; this is who speaks to you from now on."""

    control_key: PublicKey
    """Ed25519."""
    code_proof: bytes
    """`bus.enrolment.control_proof`: an operator gave control the code."""


class EnrolmentRefused(Struct, frozen=True, kw_only=True, tag="enrolment_refused"):
    """Control to engine: not under this id, or not any more."""

    reason: str


class FetchTrustedKeys(Struct, frozen=True, kw_only=True, tag="fetch_trusted_keys"):
    """Engine to control: tell me whom I am to believe."""


class TrustedKeys(Struct, frozen=True, kw_only=True, tag="trusted_keys"):
    """Control to engine: the keys that count now, a successor's already among them."""

    control: tuple[PublicKey, ...]
    """Ed25519: answers and commands."""
    storage: tuple[PublicKey, ...]
    """Ed25519: storage receipts."""
    recording: tuple[PublicKey, ...] = ()
    """X25519: data keys of recordings are wrapped to the last of these."""


class RotateEngineKey(Struct, frozen=True, kw_only=True, tag="rotate_engine_key"):
    """Engine to control, signed by the old key: from now on I sign with this one."""

    signing_key: PublicKey
    possession: bytes
    """`bus.enrolment.possession` signed by the new key: nobody claims another's."""


class Heartbeat(Struct, frozen=True, kw_only=True, tag="heartbeat"):
    """Engine to control: how it is, every few seconds."""

    engine_id: str
    site: str
    version: str
    live_sessions: int
    unshipped_chunks: int
    spool_bytes: int


class Alive(Struct, frozen=True, kw_only=True, tag="alive"):
    """Control to engine: the heartbeat was heard."""

    seal_to: bytes
    """Control's X25519 public key, 32 bytes: users' passwords are sealed to it."""


class PingStorage(Struct, frozen=True, kw_only=True, tag="ping_storage"):
    """Engine to worker: could a chunk be stored now? `Done` says yes, silence says no."""


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """The answer to a message that asks for nothing back."""


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """Control to engine: the request could not be answered. The bus makes it an error."""

    detail: str
    again: bool
    """Whether asking again may help."""


class ChunkStored(Struct, frozen=True, kw_only=True, tag="chunk_stored"):
    """Worker to engine: the storage receipt. It is sent after the commit."""

    session_id: UUID
    sequence: int
    digest: Digest


class ChunkRefused(Struct, frozen=True, kw_only=True, tag="chunk_refused"):
    """Worker to engine: this chunk is put aside; sending it again does not help."""

    session_id: UUID
    sequence: int
    digest: Digest
    reason: str


LoginRequest = RedeemCredential | ProveNTLM
SessionReport = SessionReady | SessionFailed | ConnectionLost | CommandReport | HoldCommand
SessionRequest = LoginRequest | PinHostKey | SessionReport | EngineStarted
EnrolmentRequest = EnrolEngine | FetchTrustedKeys | RotateEngineKey
EnrolmentReply = EnrolmentPending | EngineEnrolled | EnrolmentRefused | TrustedKeys
Request = SessionRequest | AccountRequest | Heartbeat | PingStorage | EnrolmentRequest
LoginReply = Grant | NTLMProved | AccountReply | Denied
Reply = LoginReply | HostKeysPinned | Alive | Done | Failed | EnrolmentReply | CommandHeld
Receipt = ChunkStored | ChunkRefused


class TerminateSession(Struct, frozen=True, kw_only=True, tag="terminate_session"):
    """Control to engine: end this session now and tell the user why."""

    session_id: UUID
    reason: str
    end_reason: EndReason = EndReason.TERMINATED


class MessageUser(Struct, frozen=True, kw_only=True, tag="message_user"):
    """Control to engine: show this in the user's terminal."""

    session_id: UUID
    text: str


FEED_LEASE_S = 60.0
"""A live feed whose watcher says nothing for so long is over."""


class WatchSession(Struct, frozen=True, kw_only=True, tag="watch_session"):
    """Control to engine: start, go on with or stop a live feed of this session."""

    session_id: UUID
    watching: bool
    feed_id: UUID | None = None
    """Names the feed; random. The same again, within the lease, goes on with it."""


class ResendChunks(Struct, frozen=True, kw_only=True, tag="resend_chunks"):
    """Worker to engine: these chunks never came; send them if you have them."""

    session_id: UUID
    first: int
    last: int


class LiveFeed(Struct, frozen=True, kw_only=True):
    """Engine to control: what opens a live feed, and how far it has come: `bus.sealed_feed`."""

    salt: Annotated[bytes, Meta(min_length=16, max_length=16)]
    """Fresh for each feed, so that no key is used for two."""
    key: WrappedKey
    """The session's data key."""
    position: Annotated[int, Meta(ge=0)]
    """How many bytes the feed has carried."""
    first_sequence: Annotated[int, Meta(ge=0)] | None = None
    """The chunk that it began with, all of it; None where it began in the middle of one."""


class CommandResult(Struct, frozen=True, kw_only=True, tag="command_result"):
    """Engine to control: whether the session was there and the command was carried out."""

    done: bool
    detail: str = ""
    failed: bool = False
    """The engine met a defect of its own. The bus makes it an error."""
    feed: LiveFeed | None = None
    """With `watch_session` alone."""


Command = TerminateSession | MessageUser | PauseSession | WatchSession | ResendChunks
