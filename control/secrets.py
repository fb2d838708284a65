"""Secrets: a credential and the target it opens."""

import datetime as dt
import uuid

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)
from msgspec import UNSET, structs
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import HostKeyPolicy, TargetCredential
from config.model import OnLoss
from control.errors import ConflictError, InvalidError, NotFoundError
from control.host_keys import canonical
from control.requests import AddSecret, EditSecret, SecretSummary
from control.vault import Vault
from recorder.session_info import Capture, RecordingMode, Target, TargetProtocol
from storage.tables import SecretRow

CHANNELS = {
    TargetProtocol.SSH: (
        *("shell", "exec", "sftp", "scp", "subsystem"),
        *("local-forward", "remote-forward", "unix-forward", "agent", "x11"),
    ),
    TargetProtocol.RDP: (
        *("clipboard", "clipboard-in", "clipboard-out"),
        *("clipboard-rich", "clipboard-rich-in", "clipboard-rich-out"),
        *("drives", "drives-in", "drives-out", "printers"),
        *("audio", "microphone", "dynamic", "redirection", "old-tls"),
    ),
}
"""What a secret may let through, by protocol."""
DEFAULT_CHANNELS = {
    TargetProtocol.SSH: ("exec", "scp", "sftp", "shell"),
    TargetProtocol.RDP: ("clipboard",),
}
_CREDENTIAL_FIELDS = ("username", "domain", "password", "private_key", "passphrase")


def find(session: Session, name: str) -> SecretRow:
    """Return the secret; raise `NotFoundError`."""
    row = session.scalar(select(SecretRow).where(SecretRow.name == name))
    if row is None:
        raise NotFoundError(f"no secret is named `{name}`; `proxyd secret list` shows them")
    return row


def add(session: Session, vault: Vault, request: AddSecret, now: dt.datetime) -> SecretSummary:
    """Store a new secret; raise `ConflictError` or `InvalidError`."""
    if session.scalar(select(SecretRow.id).where(SecretRow.name == request.name)):
        raise ConflictError(
            f"there is a secret named `{request.name}` already; "
            f"`proxyd secret edit {request.name}` changes it"
        )
    credential = TargetCredential(
        username=request.username,
        domain=request.domain,
        password=request.password,
        private_key=request.private_key,
        passphrase=request.passphrase,
    )
    row = SecretRow(
        id=uuid.uuid4(),
        name=request.name,
        version=0,
        protocol=request.protocol,
        host=request.host,
        port=request.port,
        host_key_policy=request.host_key_policy,
        host_keys=_lines(request.protocol, request.host_keys),
        record=request.record,
        on_loss=request.on_loss,
        channels=",".join(_channels(request)),
        capture=request.capture,
        mask_typed=request.mask_typed,
        site=request.site,
        demands="",
        created_at=now,
        changed_at=now,
    )
    _seal(vault, row, credential)
    _check(row)
    session.add(row)
    return summary(row)


def edit(
    session: Session, vault: Vault, request: EditSecret, now: dt.datetime
) -> SecretSummary:
    """Change what the request names; raise `NotFoundError` or `InvalidError`.

    Another host or port, or `tofu` asked for anew, forgets the keys pinned so far.
    """
    row = find(session, request.name)
    changes = {
        name: value for name, value in structs.asdict(request).items() if value is not None
    }
    del changes["name"]
    if changes.keys() & set(_CREDENTIAL_FIELDS):
        _seal(vault, row, _edited(vault.open(row), changes))
    _edit_host_keys(row, changes)
    if (channels := changes.pop("channels", None)) is not None:
        row.channels = ",".join(channels)
    for name, value in changes.items():
        if name not in _CREDENTIAL_FIELDS:
            setattr(row, name, value)
    row.changed_at = now
    _check(row)
    return summary(row)


def remove(session: Session, name: str) -> SecretRow:
    """Forget a secret, its credential and who may reach it; raise `NotFoundError`."""
    row = find(session, name)
    session.delete(row)
    return row


def list_all(session: Session) -> list[SecretSummary]:
    """Return all secrets, by name."""
    return [summary(row) for row in session.scalars(select(SecretRow).order_by(SecretRow.name))]


def target(row: SecretRow) -> Target:
    """Return the machine that a secret opens."""
    return Target(host=row.host, port=row.port, protocol=TargetProtocol(row.protocol))


def address(row: SecretRow) -> str:
    """Return the target as `host:port`."""
    return f"[{row.host}]:{row.port}" if ":" in row.host else f"{row.host}:{row.port}"


def host_keys(row: SecretRow) -> tuple[str, ...]:
    """Return the keys that the target may show."""
    return tuple(row.host_keys.splitlines())


def summary(row: SecretRow) -> SecretSummary:
    """Return a secret without its credential."""
    return SecretSummary(
        name=row.name,
        protocol=TargetProtocol(row.protocol),
        host=row.host,
        port=row.port,
        username=row.username,
        domain=row.domain,
        credential=row.credential_kind,
        host_key_policy=HostKeyPolicy(row.host_key_policy),
        host_keys=host_keys(row),
        record=RecordingMode(row.record),
        on_loss=None if row.on_loss is None else OnLoss(row.on_loss),
        channels=channels_of(row),
        capture=Capture(row.capture),
        mask_typed=row.mask_typed,
        site=row.site,
        created_at=row.created_at,
        changed_at=row.changed_at,
        demands=tuple(filter(None, row.demands.split(","))),
        files_bytes=row.files_bytes,
    )


def _seal(vault: Vault, row: SecretRow, credential: TargetCredential) -> None:
    row.credential_kind = _kind(credential)
    row.username, row.domain = credential.username, credential.domain
    row.version += 1
    sealed = vault.seal(row.id, row.version, credential)
    row.sealed, row.wrapped_key = sealed.sealed, sealed.wrapped_key
    row.master_key_id = sealed.master_key_id


def channels_of(row: SecretRow) -> tuple[str, ...]:
    """Return what a secret lets through."""
    return tuple(filter(None, row.channels.split(",")))


def _channels(request: AddSecret) -> tuple[str, ...]:
    return DEFAULT_CHANNELS[request.protocol] if request.channels is None else request.channels


def _edited(credential: TargetCredential, changes: dict[str, object]) -> TargetCredential:
    given = {name: changes[name] for name in _CREDENTIAL_FIELDS if name in changes}
    # A password takes the place of a key, and a key that of a password.
    if "password" in given:
        given = {"private_key": None, "passphrase": None} | given
    if "private_key" in given:
        given = {"password": None, "passphrase": None} | given
    return structs.replace(credential, **given)


def _edit_host_keys(row: SecretRow, changes: dict[str, object]) -> None:
    moved = (
        changes.get("host", row.host) != row.host or changes.get("port", row.port) != row.port
    )
    policy = changes.get("host_key_policy", row.host_key_policy)
    given = changes.pop("host_keys", UNSET)
    if isinstance(given, tuple):
        row.host_keys = _lines(TargetProtocol(row.protocol), given)
    elif policy == HostKeyPolicy.TOFU and (moved or "host_key_policy" in changes):
        row.host_keys = ""


def _kind(credential: TargetCredential) -> str:
    match credential:
        case TargetCredential(password=None, private_key=None):
            raise InvalidError("a secret needs a password or a private key")
        case TargetCredential(password=str(), private_key=bytes()):
            raise InvalidError("a secret has a password or a private key, not both")
        case TargetCredential(password=str(), passphrase=str()):
            raise InvalidError("a passphrase belongs to a private key, not to a password")
        case TargetCredential(private_key=bytes(key), passphrase=passphrase):
            _check_key(key, passphrase)
            return "key" if passphrase is None else "key with passphrase"
    return "password"


def _check_key(key: bytes, passphrase: str | None) -> None:
    load = load_ssh_private_key if b"BEGIN OPENSSH" in key else load_pem_private_key
    try:
        load(key, None if passphrase is None else passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # No cause: the texts of the library below may quote what it was given.
        raise InvalidError(_key_complaint(error, passphrase)) from None


def _key_complaint(error: Exception, passphrase: str | None) -> str:
    if isinstance(error, TypeError) and passphrase is None:
        return "the private key is encrypted: give its passphrase with --passphrase-stdin"
    if isinstance(error, TypeError):
        return "the private key is not encrypted: leave the passphrase out"
    if passphrase is not None:
        return "the private key cannot be read: wrong passphrase, or not an OpenSSH or PEM key"
    return "the private key cannot be read: give it in OpenSSH or PEM format"


def _check(row: SecretRow) -> None:
    for what, text in (("host", row.host), ("user name", row.username)):
        if not text or not text.isprintable():
            raise InvalidError(f"the {what} of secret `{row.name}` is empty or not printable")
    if any(character.isspace() or character == "/" for character in row.host):
        raise InvalidError(f"`{row.host}` is not a host name or an address")
    if row.host_key_policy == HostKeyPolicy.GIVEN and not row.host_keys:
        raise InvalidError(
            f"secret `{row.name}` accepts given host keys only, and none is given: use "
            "--host-key, or --host-key-tofu"
        )
    if row.host_key_policy == HostKeyPolicy.CA and row.protocol != TargetProtocol.RDP:
        raise InvalidError("authorities vouch for certificates of RDP targets only")
    _check_channels(row)
    if row.protocol == TargetProtocol.RDP and row.credential_kind != "password":
        raise InvalidError("a secret for RDP has a password: RDP knows no private keys")


def _check_channels(row: SecretRow) -> None:
    known = CHANNELS[TargetProtocol(row.protocol)]
    for channel in channels_of(row):
        is_subsystem = "subsystem" in known and channel.startswith("subsystem:")
        if channel not in known and not is_subsystem:
            raise InvalidError(f"there is no channel `{channel}`: {', '.join(known)}")


def _lines(protocol: TargetProtocol, keys: tuple[str, ...]) -> str:
    return "\n".join(canonical(protocol, key) for key in keys)
