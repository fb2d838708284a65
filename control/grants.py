"""Grants: turns a presented proxy credential into a session, or refuses.

INVARIANT: whatever the reason of a refusal, the same query, the same comparison and the
same write are done. The user sees one answer; the reason is for the audit trail.
"""

import datetime as dt
import hmac
import ipaddress
import re
import uuid
from typing import NamedTuple

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bus.contract import (
    DenialReason,
    Denied,
    Grant,
    HostKeyPolicy,
    ProveNTLM,
    RedeemCredential,
)
from bus.own_account import LaunchSecret
from bus.sealed import credential_info, engine_info, seal
from config.model import OnLoss
from control import access, become, commands, engines, node_keys, reconnects, secrets
from control.audit import Act
from control.node_keys import Purpose
from control.vault import Vault
from recorder.ports import Clock
from recorder.session_info import Capture, RecordingMode, RecordingTerms
from storage.database import Database
from storage.tables import CredentialRow, SecretRow, SessionRow, UserRow

_HANDLE = re.compile(r"[a-z0-9-]{8,20}")
_DUMMY_MAC = bytes(32)


Login = RedeemCredential | ProveNTLM
"""What an engine asks about a proxy credential."""


class Presented(NamedTuple):
    """What the database holds about the user name that was presented."""

    credential: CredentialRow
    user: UserRow
    secret: SecretRow | None
    may_reach: bool


class _Entitled(NamedTuple):
    """Nothing speaks against it."""

    credential: CredentialRow
    user: UserRow
    secret: SecretRow


class Admitted(NamedTuple):
    """Who may have a session with what, and by which proxy credential, if by one."""

    user: UserRow
    secret: SecretRow
    credential_id: str | None = None


class Grants:
    """Redeems proxy credentials. Blocking; may be used from any thread."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        *,
        default_on_loss: OnLoss,
        reconnect_grace_s: float = 0,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._default_on_loss = default_on_loss
        self._grace_s = reconnect_grace_s

    def redeem(self, request: RedeemCredential) -> Grant | Denied:
        """Return the grant of a new session, or the reason there is none.

        Raises `SealError` where the engine's key is none; the use is not counted then.
        """
        now = self._clock.now()
        with self._database.transaction() as session:
            presented = look_up(session, request.username)
            verdict = self._judge(presented, request, now)
            if not engines.stays_active(session, request.engine_id):
                # It was when it asked; a revocation that was quicker has counted sessions.
                verdict = DenialReason.ENGINE_REVOKED
            if isinstance(verdict, _Entitled) and not _take_use(session, verdict, now):
                verdict = DenialReason.USED_UP
            if isinstance(verdict, _Entitled):
                credential, user, secret = verdict
                admitted = Admitted(user, secret, credential.id)
                return self.grant(session, Act(user.name, now), request, admitted)
            who = "stranger" if presented is None else presented.user.name
            note_denial(session, Act(who, now), request, verdict)
            return Denied(reason=verdict)

    def _judge(
        self, presented: Presented | None, request: RedeemCredential, now: dt.datetime
    ) -> _Entitled | DenialReason:
        expected = _DUMMY_MAC if presented is None else presented.credential.password_mac
        matches = hmac.compare_digest(expected, self._vault.mac(request.password_proof))
        reason = objection(presented, request, now, matches=matches, grace_s=self._grace_s)
        if reason is not None or presented is None or presented.secret is None:
            return reason or DenialReason.UNKNOWN
        return _Entitled(presented.credential, presented.user, presented.secret)

    def grant(
        self,
        session: Session,
        act: Act,
        request: RedeemCredential | LaunchSecret,
        admitted: Admitted,
    ) -> Grant:
        """Begin a session that nothing speaks against; raise `SealError`."""
        user, secret, credential_id = admitted
        session_id = uuid.uuid4()
        credential = become.with_password(
            session, self._vault, secret, self._vault.open(secret)
        )
        plaintext = msgspec.msgpack.encode(credential)
        session.add(
            SessionRow(
                id=session_id,
                protocol=secret.protocol,
                state="live",
                user=user.name,
                secret=secret.name,
                target=secrets.address(secret),
                site=request.site,
                engine=request.engine_id,
                client_address=request.client_address,
                credential_id=credential_id,
                started_at=act.at,
                chunks=0,
                input_bytes=0,
                output_bytes=0,
                chain_broken=False,
            )
        )
        sealed = seal(request.seal_to, plaintext, credential_info(session_id))
        # The engine of this very process was never enrolled, and has no such key.
        of_engine = node_keys.current(session, request.engine_id, Purpose.SEALING, act.at)
        if of_engine:
            sealed = seal(of_engine[-1], sealed, engine_info(session_id))
        act.note(session, "session.granted", str(session_id), f"secret {secret.name}")
        return Grant(
            session_id=session_id,
            user=user.name,
            secret_name=secret.name,
            target=secrets.target(secret),
            terms=self._terms(secret),
            channels=frozenset(filter(None, secret.channels.split(","))),
            host_key_policy=HostKeyPolicy(secret.host_key_policy),
            host_keys=secrets.host_keys(secret),
            expires_at=None,
            sealed_credential=sealed,
            sealed_to_engine=bool(of_engine),
            commands=commands.control_of(session, secret),
            become_command=become.command_of(session, secret),
        )

    def _terms(self, secret: SecretRow) -> RecordingTerms:
        return RecordingTerms(
            mode=RecordingMode(secret.record),
            capture=Capture(secret.capture),
            on_loss=OnLoss(secret.on_loss or self._default_on_loss),
            mask_typed=secret.mask_typed,
            files_bytes=secret.files_bytes,
        )


def objection(
    presented: Presented | None,
    request: Login,
    now: dt.datetime,
    *,
    matches: bool,
    grace_s: float,
) -> DenialReason | None:
    """Return the first reason against a login; `matches` says whether the password does."""
    if presented is None:
        return DenialReason.UNKNOWN
    if not matches:
        return DenialReason.WRONG_PASSWORD
    if presented.secret is None:
        return DenialReason.SECRET_REMOVED
    entitled = _Entitled(presented.credential, presented.user, presented.secret)
    objections = _objections(entitled, presented.may_reach, request, now, grace_s)
    return next((reason for reason, holds in objections.items() if holds), None)


def look_up(session: Session, username: str) -> Presented | None:
    """Return what the database holds about a proxy credential's user name."""
    query = (
        select(
            CredentialRow,
            UserRow,
            SecretRow,
            access.reaches(CredentialRow.user_id, CredentialRow.secret_id),
        )
        .join(UserRow, UserRow.id == CredentialRow.user_id)
        .outerjoin(SecretRow, SecretRow.id == CredentialRow.secret_id)
        .where(CredentialRow.username == username)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else Presented(*row)


def _objections(
    entitled: _Entitled,
    may_reach: bool,  # noqa: FBT001 - a fact beside others, and not a switch
    request: Login,
    now: dt.datetime,
    grace_s: float,
) -> dict[DenialReason, bool]:
    """Say of each reason whether it holds; operators are told the first."""
    credential, user, secret = entitled
    comes_back = reconnects.awaits(credential, request.client_address, now, grace_s)
    return {
        DenialReason.USER_DISABLED: user.disabled,
        DenialReason.NO_ACCESS: not may_reach,
        DenialReason.REVOKED: credential.revoked_at is not None,
        DenialReason.EXPIRED: credential.expires_at <= now,
        DenialReason.USED_UP: credential.used >= credential.uses and not comes_back,
        DenialReason.WRONG_PROTOCOL: secret.protocol != request.protocol,
        DenialReason.WRONG_SITE: secret.site not in {None, request.site},
        DenialReason.WRONG_SOURCE: not _is_within(request.client_address, credential.source),
    }


def _take_use(session: Session, entitled: _Entitled, now: dt.datetime) -> bool:
    """Count one use, or the grace of a used-up pair, unless another login has taken it."""
    credential = entitled.credential
    # Who revokes it at this moment waits, and then ends what it opens.
    session.refresh(credential, with_for_update=True)
    if credential.revoked_at is not None:
        return False
    if credential.used >= credential.uses:
        return reconnects.take(session, credential, Act(entitled.user.name, now))
    taken = session.execute(
        update(CredentialRow)
        .where(CredentialRow.id == credential.id, CredentialRow.used < CredentialRow.uses)
        .values(used=CredentialRow.used + 1)
        .returning(CredentialRow.id)
    )
    return taken.one_or_none() is not None


def _is_within(address: str, source: str | None) -> bool:
    if source is None:
        return True
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A dual-stack listener shows IPv4 clients as ::ffff:192.0.2.1.
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    return client in ipaddress.ip_network(source)


def note_denial(session: Session, act: Act, request: Login, reason: DenialReason) -> None:
    """Leave a row in the audit trail."""
    # People type passwords where a name belongs: keep only what looks like one of ours.
    is_handle = _HANDLE.fullmatch(request.username)
    subject = request.username if is_handle else "(not a proxy user name)"
    detail = f"{reason} from {request.client_address} by {request.engine_id}"
    act.note(session, "credential.denied", subject, detail)
