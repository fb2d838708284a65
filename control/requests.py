"""Everything an operator can ask for, and the answers. Fields are keys of `--output json`."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from bus.contract import HostKeyPolicy
from config.model import OnLoss
from control.account_requests import AccountRequest
from control.approval_requests import ApprovalRequest
from control.audit_requests import ListAudit
from control.bus_requests import DeadLetterRequest
from control.command_requests import CommandRequest
from control.enrolment_requests import EnrolmentRequest
from control.file_requests import FileRequest
from control.group_requests import GroupRequest
from control.live_requests import LiveRequest
from control.node_requests import AskStatus, RotateMasterKey
from control.pause_requests import PauseRequest
from control.proof_requests import ProofRequest
from control.request import Line, Name, Port, Reason, Request
from control.retention_requests import RetentionRequest
from control.user_key_requests import UserKeyRequest
from recorder.session_info import Capture, RecordingMode, TargetProtocol

MAX_USES = 1_000_000


class AddSecret(Request, frozen=True, kw_only=True):
    """Put a credential and its target into the vault."""

    name: Name
    protocol: TargetProtocol
    host: str
    port: Port
    username: str
    domain: str | None = None
    password: str | None = None
    private_key: bytes | None = None
    passphrase: str | None = None
    host_key_policy: HostKeyPolicy = HostKeyPolicy.TOFU
    host_keys: tuple[str, ...] = ()
    """`ssh-ed25519 AAAA…`, or certificate fingerprints for RDP."""
    record: RecordingMode = RecordingMode.EVERYTHING
    on_loss: OnLoss | None = None
    """None: as `[recorder] on_loss` says."""
    channels: tuple[str, ...] | None = None
    """None: `exec scp sftp shell` for SSH, `clipboard` for RDP."""
    capture: Capture = Capture.TEXT
    mask_typed: bool = True
    site: str | None = None
    """None: any site."""


class EditSecret(Request, frozen=True, kw_only=True):
    """Change what is not None."""

    name: Name
    host: str | None = None
    port: Port | None = None
    username: str | None = None
    domain: str | None = None
    password: str | None = None
    private_key: bytes | None = None
    passphrase: str | None = None
    host_key_policy: HostKeyPolicy | None = None
    host_keys: tuple[str, ...] | None = None
    record: RecordingMode | None = None
    on_loss: OnLoss | None = None
    channels: tuple[str, ...] | None = None
    capture: Capture | None = None
    mask_typed: bool | None = None
    site: str | None = None


class ListSecrets(Request, frozen=True, kw_only=True):
    """All secrets, by name."""


class ShowSecret(Request, frozen=True, kw_only=True):
    """One secret without its credential."""

    name: str


class RemoveSecret(Request, frozen=True, kw_only=True):
    """Forget a secret; its recordings stay."""

    name: str


class TestSecret(Request, frozen=True, kw_only=True):
    """Dial the target, check its host key, log on, leave."""

    __test__ = False  # Not a test class, whatever pytest thinks of its name.
    name: str


class SecretSummary(Struct, frozen=True, kw_only=True):
    """A secret without its credential."""

    name: str
    protocol: TargetProtocol
    host: str
    port: int
    username: str
    domain: str | None
    credential: str
    """`password`, `key` or `key with passphrase`."""
    host_key_policy: HostKeyPolicy
    host_keys: tuple[str, ...]
    record: RecordingMode
    on_loss: OnLoss | None
    channels: tuple[str, ...]
    capture: Capture
    mask_typed: bool
    site: str | None
    created_at: dt.datetime
    changed_at: dt.datetime
    demands: tuple[str, ...] = ()
    """Before it is launched: of `comment ticket approval`."""
    files_bytes: int | None = None


class SecretTested(Struct, frozen=True, kw_only=True):
    """How a dial went. `refused`: the target is there, and does not take the credential."""

    name: str
    ok: bool
    refused: bool = False
    detail: str
    host_key: str | None = None


class AddUser(Request, frozen=True, kw_only=True):
    """Let a person in."""

    name: Name
    password: str
    role: str = "user"
    """`user`, `auditor` or `admin`."""
    must_change_password: bool = False
    """Before anything else, once he has logged in."""


class ListUsers(Request, frozen=True, kw_only=True):
    """All users, by name."""


class DisableUser(Request, frozen=True, kw_only=True):
    """Shut a person out: credentials end, live sessions end."""

    name: str


class UserSummary(Struct, frozen=True, kw_only=True):
    """A user."""

    name: str
    role: str
    disabled: bool
    created_at: dt.datetime
    second_factor: bool = False
    must_change_password: bool = False


class GrantAccess(Request, frozen=True, kw_only=True):
    """Let a user reach a secret."""

    user: str
    secret: str


class RevokeAccess(Request, frozen=True, kw_only=True):
    """Let the user reach it no more: credentials end, live sessions end."""

    user: str
    secret: str


class ListAccess(Request, frozen=True, kw_only=True):
    """Who may reach what."""


class AccessSummary(Struct, frozen=True, kw_only=True):
    """One user's access to one secret."""

    user: str
    secret: str
    granted_at: dt.datetime
    group: str | None = None
    """By which he has it; None: it is his own."""


class IssueCredential(Request, frozen=True, kw_only=True):
    """Generate a user name and a password for one user and one secret."""

    secret: str
    user: str
    ttl_s: Annotated[float, Meta(gt=0)] = 900
    uses: Annotated[int, Meta(ge=1, le=MAX_USES)] = 1
    source: str | None = None
    """A CIDR that the client's address must lie in."""
    comment: Reason = ""
    ticket: Reason = ""
    """What the secret demands of whoever issues one to himself."""


class ListCredentials(Request, frozen=True, kw_only=True):
    """Credentials that were issued, newest first; without their passwords."""

    user: str | None = None
    """None: of everybody."""


class RevokeCredential(Request, frozen=True, kw_only=True):
    """Take a credential back; the sessions it opened end."""

    id: str
    user: str | None = None
    """Only if it is his; None: whoever's it is."""


class IssuedCredential(Struct, frozen=True, kw_only=True):
    """The only time the password is shown."""

    id: str
    username: str
    password: str
    host: str
    port: int
    protocol: TargetProtocol
    expires_at: dt.datetime
    uses: int
    commands: dict[str, str]
    """Ready command lines: `openssh putty plink`, or `mstsc xfreerdp`."""
    channels: tuple[str, ...] = ()
    """What the secret lets through, as it was then: a client need offer no more."""

    def __repr__(self) -> str:
        return f"IssuedCredential(id={self.id!r}, <redacted>)"


class CredentialSummary(Struct, frozen=True, kw_only=True):
    """A credential without its password."""

    id: str
    username: str
    user: str
    secret: str
    state: str
    """`valid`, `expired`, `used up` or `revoked`."""
    uses: int
    used: int
    source: str | None
    issued_at: dt.datetime
    expires_at: dt.datetime


class ListSessions(Request, frozen=True, kw_only=True):
    """Sessions, newest first."""

    live: bool = False
    user: str | None = None
    secret: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    state: str | None = None
    protocol: str | None = None
    site: str | None = None
    after: UUID | None = None
    """Go on behind this session of the list."""
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 10_000


class ShowSession(Request, frozen=True, kw_only=True):
    """One session."""

    id: UUID


class SessionSummary(Struct, frozen=True, kw_only=True):
    """A session, as lists show it."""

    id: UUID
    protocol: str
    """`ssh` or `rdp`; `?`, as below, where the recording does not say."""
    state: str
    """`live`, `finished`, `interrupted` or `lost`."""
    user: str
    secret: str
    target: str
    """`host:port`."""
    site: str
    engine: str
    client_address: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    end_reason: str | None
    chunks: int
    input_bytes: int
    output_bytes: int
    complete: bool
    """Every chunk from 0 to the end has arrived and the chain holds."""
    hold_reason: str | None = None
    deleted_at: dt.datetime | None = None


class SearchSessions(Request, frozen=True, kw_only=True):
    """Find text in what was typed, shown, run, and moved."""

    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    kinds: tuple[str, ...] = ()
    """Of `input output command title file clipboard`; empty: all."""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class SearchHit(Struct, frozen=True, kw_only=True):
    """A line that holds the text."""

    session: UUID
    at_ms: int
    kind: str
    text: str
    channel: int | None


class FetchChunks(Request, frozen=True, kw_only=True):
    """Stream the stored chunks of a session in order, each a `StoredChunk`."""

    id: UUID
    from_sequence: int = 0


class StoredChunk(Struct, frozen=True, kw_only=True):
    """A chunk as the store holds it; behind a lost one with the `state` that it opens with."""

    sequence: int
    digest: bytes
    encoded: bytes
    data_key: bytes = b""
    """Unwrapped: whoever may fetch a recording may read it. Empty where it cannot be had."""
    stored_at: dt.datetime | None = None
    state: bytes = b""


class TerminateSession(Request, frozen=True, kw_only=True):
    """End a live session and tell its user why."""

    id: UUID
    reason: Line


class MessageSession(Request, frozen=True, kw_only=True):
    """Show a line in the user's terminal."""

    id: UUID
    text: Line


class Done(Struct, frozen=True, kw_only=True):
    """Carried out; nothing to show but, perhaps, a line."""

    detail: str = ""


SecretRequest = AddSecret | EditSecret | ListSecrets | ShowSecret | RemoveSecret | TestSecret
UserRequest = AddUser | ListUsers | DisableUser
CredentialRequest = IssueCredential | ListCredentials | RevokeCredential
OperatorRequest = (
    SecretRequest
    | UserKeyRequest
    | ApprovalRequest
    | CommandRequest
    | FileRequest
    | UserRequest
    | GrantAccess
    | RevokeAccess
    | ListAccess
    | CredentialRequest
    | ListSessions
    | ShowSession
    | SearchSessions
    | FetchChunks
    | ProofRequest
    | LiveRequest
    | TerminateSession
    | MessageSession
    | EnrolmentRequest
    | RotateMasterKey
    | AskStatus
    | DeadLetterRequest
    | ListAudit
    | RetentionRequest
    | PauseRequest
    | AccountRequest
    | GroupRequest
)
