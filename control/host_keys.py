"""Target host keys and certificate fingerprints as operators give them."""

import base64
import binascii
import re

from control.errors import InvalidError
from recorder.session_info import TargetProtocol

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def canonical(protocol: TargetProtocol, text: str) -> str:
    """Return a host key in the form that is stored; raise `InvalidError`.

    For SSH `TYPE BASE64` (RFC 4253 6.6) without a comment, for RDP the SHA-256 of the
    certificate in lower-case hex.
    """
    if protocol is TargetProtocol.SSH:
        return _canonical_key(text)
    fingerprint = text.strip().replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise InvalidError(
            "a certificate fingerprint is the SHA-256 of the certificate: 64 hex digits"
        )
    return fingerprint


def _canonical_key(text: str) -> str:
    match text.split():
        case [kind, body, *_] if _is_blob_of(kind, body):
            return f"{kind} {body}"
    raise InvalidError(
        "a host key is given as `ssh-ed25519 AAAA…`, the way `ssh-keyscan` prints it after "
        "the host's name"
    )


def _is_blob_of(kind: str, body: str) -> bool:
    try:
        blob = base64.b64decode(body, validate=True)
        name = kind.encode("ascii")
    except (binascii.Error, ValueError):
        return False
    # The blob opens with its own type; the two must agree.
    return blob.startswith(len(name).to_bytes(4, "big") + name)
