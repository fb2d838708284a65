"""Passkeys (WebAuthn): a key in a device that its owner unlocks, so both factors in one.

A challenge carries its own end and a MAC, so that any control node may check it; the one
that did takes it no second time.

INVARIANT: a passkey is bound to the name of this node: another site gets no answer from it.
"""

import datetime as dt
import hmac
import json
import secrets
import threading
from collections import OrderedDict
from typing import Any, Final
from uuid import UUID

import webauthn
from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn.helpers import parse_client_data_json
from webauthn.helpers.base64url_to_bytes import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from control.errors import ConflictError, DeniedError, NotFoundError
from control.log_in import Known, known
from control.vault import Vault
from storage.account_tables import PasskeyRow
from storage.tables import UserRow

Json = dict[str, Any]

_PURPOSE: Final = b"proxyd passkey challenge v1\x00"
_NONCE_BYTES: Final = 16
_TIME_BYTES: Final = 8
_GOOD_FOR: Final = dt.timedelta(minutes=5)
_MOST_SPENT: Final = 10_000
_MOST_PASSKEYS: Final = 20
_REFUSED: Final = "the passkey is not known here, or its answer is not right: try again"
_VERIFIED: Final = UserVerificationRequirement.REQUIRED


class Challenges:
    """Makes challenges and takes each back once. From any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._spent: OrderedDict[bytes, None] = OrderedDict()
        self._turn = threading.Lock()

    def make(self, now: dt.datetime) -> bytes:
        """Return a challenge that is good for some minutes."""
        until = int((now + _GOOD_FOR).timestamp()).to_bytes(_TIME_BYTES, "big")
        plain = secrets.token_bytes(_NONCE_BYTES) + until
        return plain + self._mac(plain)

    def spend(self, challenge: bytes, now: dt.datetime) -> bool:
        """Say whether a challenge is ours, still good, and was not spent before."""
        plain, mac = challenge[: _NONCE_BYTES + _TIME_BYTES], challenge[_NONCE_BYTES + 8 :]
        if not hmac.compare_digest(self._mac(plain), mac):
            return False
        if int.from_bytes(plain[_NONCE_BYTES:], "big") < now.timestamp():
            return False
        with self._turn:
            if challenge in self._spent:
                return False
            self._spent[challenge] = None
            while len(self._spent) > _MOST_SPENT:
                self._spent.popitem(last=False)
        return True

    def _mac(self, plain: bytes) -> bytes:
        return self._vault.mac(_PURPOSE + plain)


class Passkeys:
    """Registers passkeys and lets their owners in, under one name. From any thread."""

    def __init__(self, vault: Vault, host: str) -> None:
        self._challenges = Challenges(vault)
        self._host = host

    def new_options(self, session: Session, owner: Known, name: str, now: dt.datetime) -> Json:
        """Return what the browser needs to make a passkey; `name` is what it calls the node."""
        held = session.scalars(
            select(PasskeyRow.id).where(PasskeyRow.user_id == owner.id)
        ).all()
        if len(held) >= _MOST_PASSKEYS:
            raise ConflictError(f"you have {len(held)} passkeys: remove one first")
        options = webauthn.generate_registration_options(
            rp_id=name,
            rp_name=f"proxyd {self._host}",
            user_name=owner.name,
            user_id=owner.id.bytes,
            challenge=self._challenges.make(now),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in held],
        )
        return _as_json(options)

    def register(
        self,
        session: Session,
        owner: Known,
        made: Json,
        label: str,
        origin: str,
        now: dt.datetime,
    ) -> None:
        """Keep a new passkey; raise `DeniedError` where it does not answer our challenge."""
        challenge = self._spent_challenge(made, now)
        try:
            verified = webauthn.verify_registration_response(
                credential=made,
                expected_challenge=challenge,
                expected_rp_id=name_in(origin),
                expected_origin=origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise DeniedError(_REFUSED) from error
        if session.get(PasskeyRow, verified.credential_id) is not None:
            raise ConflictError("this passkey is registered already")
        row = PasskeyRow(
            id=verified.credential_id,
            user_id=owner.id,
            name=label,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            created_at=now,
            used_at=None,
        )
        session.add(row)

    def login_options(self, name: str, now: dt.datetime) -> Json:
        """Return what the browser needs to ask for a passkey: nothing of who has one."""
        options = webauthn.generate_authentication_options(
            rp_id=name, challenge=self._challenges.make(now), user_verification=_VERIFIED
        )
        return _as_json(options)

    def log_in(self, session: Session, answer: Json, origin: str, now: dt.datetime) -> Known:
        """Return whose passkey answered; raise `DeniedError`."""
        challenge = self._spent_challenge(answer, now)
        row = session.get(PasskeyRow, _id_of(answer))
        user = None if row is None else session.get(UserRow, row.user_id)
        if row is None or user is None or user.disabled:
            raise DeniedError(_REFUSED)
        try:
            verified = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=name_in(origin),
                expected_origin=origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise DeniedError(_REFUSED) from error
        row.sign_count, row.used_at = verified.new_sign_count, now
        return known(session, user)

    def _spent_challenge(self, answer: Json, now: dt.datetime) -> bytes:
        try:
            packed = base64url_to_bytes(answer["response"]["clientDataJSON"])
            challenge = parse_client_data_json(packed).challenge
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise DeniedError(_REFUSED) from error
        if not self._challenges.spend(challenge, now):
            raise DeniedError("this took too long, or was done before: try again")
        return challenge


def remove(session: Session, owner_id: UUID, passkey_id: bytes) -> str:
    """Forget a passkey of its owner and return its name; raise `NotFoundError`."""
    row = session.get(PasskeyRow, passkey_id)
    if row is None or row.user_id != owner_id:
        raise NotFoundError("you have no such passkey")
    session.delete(row)
    return row.name


def name_in(origin: str) -> str:
    """Return the name of the machine in `https://name:port`."""
    return origin.removeprefix("https://").rpartition("//")[2].partition(":")[0]


def _id_of(answer: Json) -> bytes:
    try:
        return base64url_to_bytes(answer["rawId"])
    except (ValueError, KeyError, TypeError) as error:
        raise DeniedError(_REFUSED) from error


def _as_json(options: Any) -> Json:  # noqa: ANN401 - either kind of options
    found: Json = json.loads(webauthn.options_to_json(options))
    return found
