"""The arithmetic of NTLMv2: what a password becomes, and what proves it ([MS-NLMP] 3.3.2).

Used by whoever holds the NT hash, which is control and never an engine.
"""

import hashlib
import hmac
from typing import Final

from protocols.rdp.md4 import md4

PROOF_BYTES: Final = 16
CHALLENGE_BYTES: Final = 8


def nt_hash(password: str) -> bytes:
    """Return NTOWFv1: the MD4 of the password in UTF-16."""
    return md4(password.encode("utf-16-le", "surrogatepass"))


def response_key(hashed: bytes, username: str, domain: str) -> bytes:
    """Return NTOWFv2. The name counts in capitals, the domain as the client wrote it."""
    identity = (username.upper() + domain).encode("utf-16-le", "surrogatepass")
    return _hmac_md5(hashed, identity)


def session_base_key(key: bytes, server_challenge: bytes, response: bytes) -> bytes | None:
    """Return the key of the session that `response` begins; None where it proves nothing.

    `response` is the client's NtChallengeResponse: 16 bytes of proof, and what it proves.
    """
    given, blob = response[:PROOF_BYTES], response[PROOF_BYTES:]
    proof = _hmac_md5(key, server_challenge + blob)
    base_key = _hmac_md5(key, proof)
    return base_key if hmac.compare_digest(given, proof) else None


def _hmac_md5(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.md5)
