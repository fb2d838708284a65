"""One-time codes (TOTP, RFC 6238) and the recovery codes that stand in for them.

The key of the codes lies sealed to its user's row; a recovery code lies as an HMAC under
the pepper, so whoever reads the database learns neither.

INVARIANT: no code is taken twice, and none that is older than one that was taken.
"""

import datetime as dt
import hmac
import re
import secrets
from typing import Final
from urllib.parse import quote
from uuid import UUID

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from control.errors import ConflictError, IntegrityError, InvalidError
from control.vault import Vault
from storage.account_tables import PasskeyRow, RecoveryCodeRow, TOTPRow

RECOVERY_CODES: Final = 10
_KEY_PURPOSE: Final = b"proxyd key for TOTP keys v1"
_CODE_PURPOSE: Final = b"proxyd recovery code v1\x00"
_NONCE_BYTES: Final = 12
_STEP_S: Final = 30
_STEPS_EITHER_WAY: Final = 1
"""Clocks of phones are off, and people type slowly."""
_NEVER: Final = -1
_CODE: Final = re.compile(r"[0-9]{6}")
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is taken for another; 31 of them, so that 12 hold 59 bits."""
_GROUPS, _GROUP_LETTERS = 3, 4


class Enrolment(Struct, frozen=True, kw_only=True):
    """What a user puts into his device. Shown once."""

    key: str
    """Base32, for who types it."""
    uri: str
    """`otpauth://…`, for who scans it."""

    def __repr__(self) -> str:
        return "Enrolment(<redacted>)"


class FactorState(Struct, frozen=True, kw_only=True):
    """Which second factors a user has."""

    totp: bool
    recovery_codes: int
    """Those that are left."""
    passkeys: int

    @property
    def any(self) -> bool:
        """Whether a password alone does not let him in."""
        return self.totp or self.passkeys > 0


def state(session: Session, user_id: UUID) -> FactorState:
    """Return which second factors a user has."""
    row = session.get(TOTPRow, user_id)
    left = select(func.count()).where(
        RecoveryCodeRow.user_id == user_id, RecoveryCodeRow.used_at.is_(None)
    )
    passkeys = select(func.count()).where(PasskeyRow.user_id == user_id)
    return FactorState(
        totp=row is not None and row.confirmed_at is not None,
        recovery_codes=session.scalar(left) or 0,
        passkeys=session.scalar(passkeys) or 0,
    )


def begin(session: Session, vault: Vault, user_id: UUID, account: str, host: str) -> Enrolment:
    """Make a key and keep it until `confirm`; raise `ConflictError` where there is one.

    `account` and `host` are what the user's device shows. Beginning again, before it was
    confirmed, makes another key.
    """
    row = session.get(TOTPRow, user_id)
    if row is not None and row.confirmed_at is not None:
        raise ConflictError("there is a device already: remove it before you add another one")
    key = pyotp.random_base32()
    sealed = _seal(vault, user_id, key)
    if row is None:
        row = TOTPRow(user_id=user_id, sealed=sealed, confirmed_at=None, last_step=_NEVER)
        session.add(row)
    row.sealed = sealed
    issuer = f"proxyd {host}"
    uri = f"otpauth://totp/{quote(issuer)}:{quote(account)}?secret={key}&issuer={quote(issuer)}"
    return Enrolment(key=key, uri=uri)


def confirm(
    session: Session, vault: Vault, user_id: UUID, code: str, now: dt.datetime
) -> list[str]:
    """Take the first code; return new recovery codes. Raises `InvalidError` for a wrong one."""
    row = session.get(TOTPRow, user_id)
    if row is None or row.confirmed_at is not None:
        raise ConflictError("no device waits to be confirmed: begin again")
    if not _take_code(vault, row, code, now):
        raise InvalidError(
            "this is not the code: check that the clock of your device is right, and try the "
            "next one"
        )
    row.confirmed_at = now
    return renew_recovery_codes(session, vault, user_id)


def renew_recovery_codes(session: Session, vault: Vault, user_id: UUID) -> list[str]:
    """Return new recovery codes; the old ones are good for nothing any more."""
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user_id))
    codes = [_random_code() for _ in range(RECOVERY_CODES)]
    for code in codes:
        mac = _code_mac(vault, user_id, code)
        session.add(RecoveryCodeRow(mac=mac, user_id=user_id, used_at=None))
    return codes


def verify(session: Session, vault: Vault, user_id: UUID, code: str, now: dt.datetime) -> bool:
    """Say whether `code` is the user's, and spend it. Call it in a writing transaction.

    A one-time code or a recovery code; spaces and hyphens do not matter.
    """
    typed = code.strip().replace(" ", "").replace("-", "").lower()
    row = session.get(TOTPRow, user_id)
    if _CODE.fullmatch(typed):
        is_set_up = row is not None and row.confirmed_at is not None
        return row is not None and is_set_up and _take_code(vault, row, typed, now)
    kept = session.get(RecoveryCodeRow, _code_mac(vault, user_id, typed))
    if kept is None or kept.used_at is not None:
        return False
    kept.used_at = now
    return True


def remove_totp(session: Session, user_id: UUID) -> None:
    """Forget a user's device, and the codes that stand in for it."""
    for table in (TOTPRow, RecoveryCodeRow):
        session.execute(delete(table).where(table.user_id == user_id))


def reset(session: Session, user_id: UUID) -> None:
    """Forget every second factor of a user."""
    for table in (TOTPRow, RecoveryCodeRow, PasskeyRow):
        session.execute(delete(table).where(table.user_id == user_id))


def _take_code(vault: Vault, row: TOTPRow, code: str, now: dt.datetime) -> bool:
    totp = pyotp.TOTP(_open(vault, row))
    step = int(now.timestamp()) // _STEP_S
    taken = None
    # Every candidate is compared: how long it takes says nothing.
    for candidate in range(step - _STEPS_EITHER_WAY, step + _STEPS_EITHER_WAY + 1):
        matches = hmac.compare_digest(totp.at(candidate * _STEP_S), code)
        if matches and candidate > row.last_step:
            taken = candidate
    if taken is None:
        return False
    row.last_step = taken
    return True


def _seal(vault: Vault, user_id: UUID, key: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(vault).encrypt(nonce, key.encode(), user_id.bytes)


def _open(vault: Vault, row: TOTPRow) -> str:
    nonce, sealed = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
    try:
        return _cipher(vault).decrypt(nonce, sealed, row.user_id.bytes).decode()
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            "the key of a user's one-time codes was altered in the database: reset it with "
            "`proxyd user reset-totp` and find out who wrote there"
        ) from error


def _cipher(vault: Vault) -> AESGCM:
    # Derived from the pepper, which a rotation of the master key leaves as it is.
    return AESGCM(vault.mac(_KEY_PURPOSE))


def _random_code() -> str:
    return "-".join(
        "".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS)
    )


def _code_mac(vault: Vault, user_id: UUID, code: str) -> bytes:
    letters = code.replace("-", "").encode(errors="replace")
    return vault.mac(_CODE_PURPOSE + user_id.bytes + letters)
