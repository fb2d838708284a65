"""The NT hashes of proxy credentials for RDP, and what an NTLM answer proves by them.

NLA needs them: whoever checks an NTLM answer must hold the MD4 of the password. They lie
in the database sealed, each to its own row, from issue until the credential can open
nothing any more. No engine ever sees one: it sends what a client answered, and gets the key
of that one connection.

INVARIANT: whatever the reason of a refusal, the same queries and the same arithmetic are
done. The user sees one answer; the reason is for the audit trail.
"""

import datetime as dt
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import and_, or_, update
from sqlalchemy.orm import Session

from bus.contract import DenialReason, Denied, NTLMProved, ProveNTLM
from bus.sealed import ntlm_info, seal
from control import grants, reconnects
from control.audit import Act
from control.errors import IntegrityError
from control.vault import Vault
from protocols.rdp import ntlm_proof
from recorder.ports import Clock
from storage.database import Database
from storage.tables import CredentialRow

_PURPOSE: Final = b"proxyd key for NT hashes v1"
_NONCE_BYTES: Final = 12
_DUMMY_HASH: Final = bytes(16)


def seal_hash(vault: Vault, credential_id: str, password: str) -> bytes:
    """Return the NT hash of `password`, sealed for the credential's row and no other."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    hashed = ntlm_proof.nt_hash(password)
    return nonce + _cipher(vault).encrypt(nonce, hashed, credential_id.encode())


def wipe_spent(session: Session, now: dt.datetime, grace_s: float = 0) -> None:
    """Forget the hashes of credentials that open nothing any more, not even a reconnect."""
    spent = or_(
        CredentialRow.expires_at <= now,
        CredentialRow.revoked_at.is_not(None),
        and_(
            CredentialRow.used >= CredentialRow.uses,
            reconnects.cannot_return(now, grace_s),
        ),
    )
    session.execute(
        update(CredentialRow)
        .where(CredentialRow.nt_hash.is_not(None), spent)
        .values(nt_hash=None)
        .execution_options(synchronize_session=False)
    )


class NTLMCheck:
    """Says what clients' answers prove. Blocking; may be used from any thread."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, *, reconnect_grace_s: float = 0
    ) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._grace_s = reconnect_grace_s

    def prove(self, request: ProveNTLM) -> NTLMProved | Denied:
        """Return the key that an answer proves the right to, or why it proves none.

        Raises `SealError` where the engine's key is none, and `IntegrityError` where a hash
        was altered in the database.
        """
        now = self._clock.now()
        with self._database.transaction() as session:
            presented = grants.look_up(session, request.username)
            base_key = self._base_key(presented, request)
            # Where the hash was wiped, operators read why, and not that the password is wrong.
            matches = base_key is not None or _was_wiped(presented)
            verdict = grants.objection(
                presented, request, now, matches=matches, grace_s=self._grace_s
            )
            if verdict is None and base_key is not None:
                info = ntlm_info(request.server_challenge)
                return NTLMProved(sealed_key=seal(request.seal_to, base_key, info))
            reason = verdict or DenialReason.WRONG_PASSWORD
            who = "stranger" if presented is None else presented.user.name
            grants.note_denial(session, Act(who, now), request, reason)
            return Denied(reason=reason)

    def wipe_spent(self) -> None:
        """Forget the hashes of credentials that open nothing any more."""
        with self._database.transaction() as session:
            wipe_spent(session, self._clock.now(), self._grace_s)

    def _base_key(self, presented: grants.Presented | None, request: ProveNTLM) -> bytes | None:
        hashed = None if presented is None else self._hash_of(presented.credential)
        key = ntlm_proof.response_key(
            hashed or _DUMMY_HASH, request.ntlm_username, request.ntlm_domain
        )
        base_key = ntlm_proof.session_base_key(key, request.server_challenge, request.response)
        return None if hashed is None else base_key

    def _hash_of(self, row: CredentialRow) -> bytes | None:
        if row.nt_hash is None:
            return None
        nonce, sealed = row.nt_hash[:_NONCE_BYTES], row.nt_hash[_NONCE_BYTES:]
        try:
            return _cipher(self._vault).decrypt(nonce, sealed, row.id.encode())
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                f"credential {row.id} was altered in the database: revoke it with `proxyd "
                f"credential revoke {row.id}` and find out who wrote there"
            ) from error


def _was_wiped(presented: grants.Presented | None) -> bool:
    return presented is not None and presented.credential.nt_hash is None


def _cipher(vault: Vault) -> AESGCM:
    # Derived from the pepper, which a rotation of the master key leaves as it is.
    return AESGCM(vault.mac(_PURPOSE))
