"""Proofs that an engine and control exchange before either knows the other's key.

The engine shows its operator a one-time code, and the operator types it in at control.
The code never crosses the bus; both ends prove with it (HMAC-SHA256, RFC 2104) that the
keys which did cross are those that were sent. It has 99 bits of randomness, so a broker
that sees the proofs cannot search for the code before it expires, nor after.
"""

import datetime as dt
import hashlib
import hmac
import secrets
from base64 import b64encode
from typing import Final

from bus.contract import EnrolEngine

CODE_LIFETIME_S: Final = 3600.0
"""Time to walk from one machine to the other, and to find who may approve."""

_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""No look-alikes (i l o 0 1): people read and type this one."""
_GROUPS: Final = 4
_GROUP_CHARACTERS: Final = 5
_CODE_DOMAIN: Final = b"proxyd enrolment code v1\x00"
_ENGINE_DOMAIN: Final = b"proxyd enrolment by engine v1\x00"
_CONTROL_DOMAIN: Final = b"proxyd enrolment by control v1\x00"
_POSSESSION_DOMAIN: Final = b"proxyd engine key succession v1\x00"


def new_code() -> str:
    """Return a one-time code: `abcde-fghjk-mnpqr-stuvw`."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARACTERS))
        for _ in range(_GROUPS)
    )
    return "-".join(groups)


def fingerprint(public_key: bytes) -> str:
    """Return how people compare a raw public key: `SHA256:` and base64 without padding."""
    digest = b64encode(hashlib.sha256(public_key).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def engine_proof(code: str, request: EnrolEngine) -> bytes:
    """Return what shows that who sent `request` knows the code; 32 bytes."""
    return _mac(code, _ENGINE_DOMAIN + _transcript(request))


def control_proof(code: str, request: EnrolEngine, control_key: bytes) -> bytes:
    """Return what shows that who sent `control_key` in answer knows the code; 32 bytes."""
    return _mac(code, _CONTROL_DOMAIN + _transcript(request) + control_key)


def is_proof(expected: bytes, shown: bytes) -> bool:
    """Say whether two proofs are the same, taking as long where they are not."""
    return hmac.compare_digest(expected, shown)


def possession(engine_id: str, new_key: bytes) -> bytes:
    """Return what the new key of an engine signs to show that the engine has it."""
    return _POSSESSION_DOMAIN + _framed(engine_id.encode()) + new_key


def _mac(code: str, message: bytes) -> bytes:
    # However it was typed: with or without dashes and blanks, in capitals or not.
    letters = "".join(filter(str.isalnum, code)).lower()
    key = hashlib.sha256(_CODE_DOMAIN + letters.encode("utf-8", "surrogatepass")).digest()
    return hmac.digest(key, message, hashlib.sha256)


def _transcript(request: EnrolEngine) -> bytes:
    """Return all that the proofs hold together, in one way only."""
    expires_at_ms = int(request.expires_at.astimezone(dt.UTC).timestamp() * 1000)
    parts = (
        request.engine_id.encode(),
        request.site.encode(),
        request.signing_key,
        request.sealing_key,
        str(expires_at_ms).encode(),
    )
    return b"".join(map(_framed, parts))


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part
