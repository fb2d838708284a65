"""Proxy credentials: generated, shown once, good for one user and one secret.

The user name is a public handle to look the row up by. The password has 142 bits of
randomness, so the database keeps a plain HMAC of its proof: there is nothing to guess
that a slow hash would slow down, and a slow hash would hand strangers a lever.
"""

import datetime as dt
import ipaddress
import secrets as randomness
import string
from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bus.names import HANDLE_ALPHABET, HANDLE_CHARACTERS
from bus.proof import proof
from config.model import Settings
from control import access, nt_hashes, secrets, users
from control.command_lines import command_lines
from control.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from control.requests import CredentialSummary, IssueCredential, IssuedCredential
from control.vault import Vault
from recorder.session_info import TargetProtocol
from storage.tables import CredentialRow, SecretRow, UserRow

_PASSWORD_ALPHABET = string.ascii_letters + string.digits
_PASSWORD_CHARACTERS = 24
"""142 bits."""
_ID_BYTES = 6
_MAX_TTL_S = 366 * 86400


class Gateways(Struct, frozen=True, kw_only=True):
    """Where users reach this node."""

    host: str
    ports: dict[TargetProtocol, int]
    """0 where the port is chosen at start, and no node runs."""

    @classmethod
    def of(
        cls, settings: Settings, chosen: Mapping[TargetProtocol, int] | None = None
    ) -> "Gateways":
        """Return what the settings say; `chosen` has the ports that they leave to the start."""
        listening = {
            TargetProtocol.SSH: settings.ssh.listen,
            TargetProtocol.RDP: settings.rdp.listen,
        }
        ports = {
            protocol: int(addresses[0].rpartition(":")[2]) or (chosen or {}).get(protocol, 0)
            for protocol, addresses in listening.items()
            if addresses
        }
        return cls(host=settings.public_host, ports=ports)


def issue(
    session: Session,
    vault: Vault,
    gateways: Gateways,
    request: IssueCredential,
    now: dt.datetime,
    *,
    until: dt.datetime | None = None,
) -> IssuedCredential:
    """Make a credential, good until `until` at most; the answer alone holds its password.

    Raises `NotFoundError`, `DeniedError` where the user may not reach the secret,
    `InvalidError`, and `ConflictError` where no gateway serves the target's protocol.
    """
    user, secret, port = entitled(session, gateways, request)
    protocol = TargetProtocol(secret.protocol)
    expires_at = _expiry(now, request.ttl_s)
    username = _random(HANDLE_ALPHABET, HANDLE_CHARACTERS)
    password = _random(_PASSWORD_ALPHABET, _PASSWORD_CHARACTERS)
    row = CredentialRow(
        id=randomness.token_hex(_ID_BYTES),
        username=username,
        password_mac=vault.mac(proof(username, password)),
        user_id=user.id,
        secret_id=secret.id,
        uses=request.uses,
        used=0,
        source=_network(request.source),
        issued_at=now,
        expires_at=expires_at if until is None else min(expires_at, until),
        revoked_at=None,
    )
    if protocol is TargetProtocol.RDP:
        row.nt_hash = nt_hashes.seal_hash(vault, row.id, password)
    session.add(row)
    channels = secrets.channels_of(secret)
    return IssuedCredential(
        id=row.id,
        username=username,
        password=password,
        host=gateways.host,
        port=port,
        protocol=protocol,
        expires_at=row.expires_at,
        uses=row.uses,
        commands=command_lines(protocol, username, gateways.host, port, channels),
        channels=channels,
    )


def revoke(
    session: Session, credential_id: str, now: dt.datetime, user: str | None = None
) -> CredentialRow:
    """Take a credential back, `user`'s or anybody's; raise `NotFoundError`.

    Twice is harmless.
    """
    row = session.get(CredentialRow, credential_id)
    is_his = user is None or (row is not None and row.user_id == users.find(session, user).id)
    if row is None or not is_his:
        raise NotFoundError(
            f"no credential has the id `{credential_id}`; `proxyd credential list` shows them"
        )
    row.revoked_at = row.revoked_at or now
    return row


def revoke_all(session: Session, now: dt.datetime, **of: object) -> None:
    """Take back every credential of a user, a secret or both (`user_id`, `secret_id`)."""
    session.execute(
        update(CredentialRow)
        .where(CredentialRow.revoked_at.is_(None))
        .filter_by(**of)
        .values(revoked_at=now)
    )


def revoke_named(session: Session, now: dt.datetime, user: str, secret: str) -> None:
    """As `revoke_all`, of a user and a secret by name, if there are any."""
    user_id = session.scalar(select(UserRow.id).where(UserRow.name == user))
    secret_id = session.scalar(select(SecretRow.id).where(SecretRow.name == secret))
    if user_id is not None and secret_id is not None:
        revoke_all(session, now, user_id=user_id, secret_id=secret_id)


def list_all(
    session: Session, now: dt.datetime, user: str | None = None
) -> list[CredentialSummary]:
    """Return the credentials of `user`, or all, newest first; raise `NotFoundError`."""
    query = (
        select(CredentialRow, UserRow.name, SecretRow.name)
        .join(UserRow, UserRow.id == CredentialRow.user_id)
        .outerjoin(SecretRow, SecretRow.id == CredentialRow.secret_id)
        .order_by(CredentialRow.issued_at.desc(), CredentialRow.id)
    )
    if user is not None:
        query = query.where(CredentialRow.user_id == users.find(session, user).id)
    return [_summary(row, user, secret, now) for row, user, secret in session.execute(query)]


def _summary(
    row: CredentialRow, user: str, secret: str | None, now: dt.datetime
) -> CredentialSummary:
    return CredentialSummary(
        id=row.id,
        username=row.username,
        user=user,
        secret=secret or "(removed)",
        state="revoked" if secret is None else _state(row, now),
        uses=row.uses,
        used=row.used,
        source=row.source,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
    )


def _state(row: CredentialRow, now: dt.datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.used >= row.uses:
        return "used up"
    return "expired" if row.expires_at <= now else "valid"


def entitled(
    session: Session, gateways: Gateways, request: IssueCredential
) -> tuple[UserRow, SecretRow, int]:
    """Return who would be given a credential, for what, and the port it would be good at.

    Raises what `issue` raises.
    """
    secret = secrets.find(session, request.secret)
    user = _entitled(session, request.user, secret)
    return user, secret, _port(gateways, TargetProtocol(secret.protocol))


def _entitled(session: Session, name: str, secret: SecretRow) -> UserRow:
    user = users.find(session, name)
    if user.disabled:
        raise DeniedError(f"user `{name}` is disabled and gets no credentials")
    if not access.may_reach(session, user.id, secret.id):
        raise DeniedError(
            f"user `{name}` may not reach secret `{secret.name}`; "
            f"`proxyd access grant {name} {secret.name}` lets them"
        )
    return user


def _port(gateways: Gateways, protocol: TargetProtocol) -> int:
    port = gateways.ports.get(protocol)
    if port is None:
        raise ConflictError(
            f"no gateway of this node serves {protocol}: set `[{protocol}] listen`"
        )
    return port


def _network(source: str | None) -> str | None:
    if source is None:
        return None
    try:
        return str(ipaddress.ip_network(source))
    except ValueError as error:
        raise InvalidError(
            f"the source is not a network: {error}; write it as `192.0.2.0/24` or "
            "`2001:db8::/64`"
        ) from error


def _expiry(now: dt.datetime, ttl_s: float) -> dt.datetime:
    if ttl_s > _MAX_TTL_S:
        raise InvalidError("a credential lives for a year at most")
    return now + dt.timedelta(seconds=ttl_s)


def _random(alphabet: str, characters: int) -> str:
    return "".join(randomness.choice(alphabet) for _ in range(characters))
