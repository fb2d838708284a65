"""An identity without a key: for tests, and for a bus that nobody else can write to."""

import secrets

import msgspec

from bus.errors import BadMessageError
from bus.signed import NONCE_BYTES, VERSION, Opened, Statement

_NO_SIGNATURE = bytes(64)
_FOREVER_MS = 2**53 - 1


class Unsigned:
    """Says who it is, and believes whoever says so. A `bus.ports.Identity`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sign(self, audience: str, body: bytes, reply_to_nonce: bytes | None = None) -> bytes:
        """Return `body` in an envelope that anybody could have made."""
        statement = Statement(
            issuer=self.name,
            audience=audience,
            nonce=secrets.token_bytes(NONCE_BYTES),
            issued_at_ms=0,
            expires_at_ms=_FOREVER_MS,
            in_reply_to=reply_to_nonce,
            body=body,
        )
        return bytes((VERSION,)) + _NO_SIGNATURE + msgspec.msgpack.encode(statement)

    def open(self, envelope: bytes, reply_to_nonce: bytes | None = None) -> Opened:
        """Return what it holds; raise `BadMessageError` where it is no envelope to us."""
        try:
            statement = msgspec.msgpack.decode(
                envelope[1 + len(_NO_SIGNATURE) :], type=Statement
            )
        except msgspec.DecodeError as error:
            raise BadMessageError(f"not an envelope: {error}") from error
        if statement.audience != self.name or statement.in_reply_to != reply_to_nonce:
            raise BadMessageError(f"a message of {statement.issuer!r} is not for us")
        return Opened(issuer=statement.issuer, nonce=statement.nonce, body=statement.body)
