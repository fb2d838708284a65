"""Signed envelopes: who says what to whom, until when, and said once.

    u8 version | 64-byte Ed25519 signature (RFC 8032) | MessagePack array: the statement

The broker is not trusted: it may read, drop, delay, repeat, swap and invent messages. So
each message names its issuer and its audience, lives for seconds, carries a random nonce
that is accepted once, and an answer names the nonce of its question. `docs/formats/bus.md`
gives the fields. Who the issuers are is decided elsewhere: `Known` tells their keys.

INVARIANT: nothing of an envelope is remembered, and none of its body returned, before its
signature was verified.
"""

import datetime as dt
import secrets
from collections.abc import Callable
from typing import Annotated, Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from bus.codec import MAX_MESSAGE_BYTES
from bus.errors import BadMessageError

VERSION: Final = 1
NONCE_BYTES: Final = 16
MAX_NAME_CHARACTERS: Final = 128

TTL_S: Final = 30.0
"""Longer than anybody waits for an answer, short enough that a broker gains little by delay."""
MAX_TTL_S: Final = 120.0
"""Bounds how long a nonce has to be remembered, whatever an issuer claims."""
CLOCK_SKEW_S: Final = 30.0
"""A quartz clock drifts a second a day or so: a node may have missed NTP for weeks."""
MAX_REMEMBERED: Final = 50_000
"""Nonces kept of one issuer: 300 messages a second for as long as any of them counts."""

_INTRODUCTION: Final = "ed25519:"
_DOMAIN: Final = b"proxyd signed message v1\x00"
_SIGNATURE_BYTES: Final = 64
_HEAD_BYTES: Final = 1 + _SIGNATURE_BYTES
_FRAMING_BYTES: Final = 8 * MAX_NAME_CHARACTERS + 256
"""Two names of four UTF-8 bytes a character, and all that is small."""

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS)]
_Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
_Moment = Annotated[int, Meta(ge=0, lt=2**53)]

Known = Callable[[str], tuple[bytes, ...] | None]
"""The raw Ed25519 public keys that an issuer may sign with now; None: nobody we know."""


class Statement(Struct, frozen=True, array_like=True):
    """What is signed. Times are milliseconds since 1970, UTC."""

    issuer: Name
    audience: Name
    nonce: _Nonce
    issued_at_ms: _Moment
    expires_at_ms: _Moment
    in_reply_to: _Nonce | None
    body: bytes


class Opened(Struct, frozen=True, kw_only=True):
    """A message whose signature holds, that was meant for us, and that came once."""

    issuer: str
    nonce: bytes
    """Goes into the answer as `in_reply_to`."""
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Statement)


class Key(Protocol):
    """A private Ed25519 key: `Ed25519PrivateKey`, `recorder.signing.SigningKey`."""

    def sign(self, message: bytes, /) -> bytes:
        """Return the signature, 64 bytes."""
        ...


class Signer:
    """Signs what one node says."""

    def __init__(
        self, issuer: str, key: Key, *, max_body_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        self.issuer = issuer
        self._key = key
        self._max_body_bytes = max_body_bytes

    def sign(
        self,
        audience: str,
        body: bytes,
        now: dt.datetime,
        *,
        in_reply_to: bytes | None = None,
        ttl_s: float = TTL_S,
    ) -> bytes:
        """Return the envelope; raise `BadMessageError` where `body` is too large."""
        if len(body) > self._max_body_bytes:
            raise BadMessageError(
                f"a message of {len(body)} bytes is more than {self._max_body_bytes}"
            )
        issued_at_ms = _ms(now)
        statement = _encoder.encode(
            Statement(
                issuer=self.issuer,
                audience=audience,
                nonce=secrets.token_bytes(NONCE_BYTES),
                issued_at_ms=issued_at_ms,
                expires_at_ms=issued_at_ms + round(ttl_s * 1000),
                in_reply_to=in_reply_to,
                body=body,
            )
        )
        return bytes((VERSION,)) + self._key.sign(_DOMAIN + statement) + statement


class Verifier:
    """Opens what others say to one node, each message once. For one thread."""

    def __init__(
        self,
        audience: str,
        known: Known,
        *,
        since: dt.datetime | None = None,
        max_body_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """With `since`, refuse what was signed before it.

        A verifier that lived then may have opened it, and its memory is gone.
        """
        self._audience = audience
        self._known = known
        self._since_ms = 0 if since is None else _ms(since)
        self._max_body_bytes = max_body_bytes
        self._opened: dict[str, _Nonces] = {}

    def open(
        self, envelope: bytes, now: dt.datetime, *, in_reply_to: bytes | None = None
    ) -> Opened:
        """Return what it holds; `in_reply_to` is the nonce of the question it must answer.

        Raises `BadMessageError` saying what is wrong; the envelope is to be dropped then.
        """
        statement = _read(envelope, self._max_body_bytes)
        self._check_signature(envelope, statement)
        self._check_purpose(statement, in_reply_to)
        self._check_time(statement, _ms(now))
        self._remember(statement, _ms(now))
        return Opened(issuer=statement.issuer, nonce=statement.nonce, body=statement.body)

    def _check_signature(self, envelope: bytes, statement: Statement) -> None:
        keys = self._known(statement.issuer)
        if keys is None:
            raise BadMessageError(f"a message of {statement.issuer!r} came, who is not known")
        signature, signed = envelope[1:_HEAD_BYTES], _DOMAIN + envelope[_HEAD_BYTES:]
        if not any(_is_signed(key, signature, signed) for key in keys):
            raise BadMessageError(
                f"a message says it is of {statement.issuer!r} and none of its keys signed it"
            )

    def _check_purpose(self, statement: Statement, in_reply_to: bytes | None) -> None:
        if statement.audience != self._audience:
            raise BadMessageError(
                f"a message of {statement.issuer!r} to {statement.audience!r} came to "
                f"{self._audience!r}"
            )
        if statement.in_reply_to != in_reply_to:
            raise BadMessageError(
                f"a message of {statement.issuer!r} answers another question than was asked"
            )

    def _check_time(self, statement: Statement, now_ms: int) -> None:
        skew_ms = round(CLOCK_SKEW_S * 1000)
        lives_ms = statement.expires_at_ms - statement.issued_at_ms
        if not 0 < lives_ms <= MAX_TTL_S * 1000:
            raise BadMessageError(
                f"a message of {statement.issuer!r} claims to live for {lives_ms} ms"
            )
        if statement.issued_at_ms > now_ms + skew_ms:
            raise BadMessageError(
                f"a message of {statement.issuer!r} was signed "
                f"{(statement.issued_at_ms - now_ms) / 1000:.0f} s in the future: "
                "set the clocks of both nodes"
            )
        if statement.expires_at_ms + skew_ms <= now_ms:
            raise BadMessageError(
                f"a message of {statement.issuer!r} expired "
                f"{(now_ms - statement.expires_at_ms) / 1000:.0f} s ago: it was held back, or "
                "a clock is wrong"
            )
        if statement.issued_at_ms < self._since_ms:
            raise BadMessageError(
                f"a message of {statement.issuer!r} was signed before this node started: "
                "it may have been obeyed then"
            )

    def _remember(self, statement: Statement, now_ms: int) -> None:
        # Issuers we know are few. Strangers may be many, so they share what one may have.
        issuer = statement.issuer
        name = _INTRODUCTION if issuer.startswith(_INTRODUCTION) else issuer
        nonces = self._opened.setdefault(name, _Nonces())
        until_ms = statement.expires_at_ms + round(CLOCK_SKEW_S * 1000)
        if statement.nonce in nonces:
            raise BadMessageError(f"a message of {issuer!r} came a second time")
        if not nonces.add(statement.nonce, until_ms, now_ms):
            # To forget one early would let it be repeated.
            raise BadMessageError(
                f"{issuer!r} sends more messages than can be told from repeated ones: "
                f"{MAX_REMEMBERED} are remembered; it is refused until some expire"
            )


class _Nonces:
    """The nonces of one issuer that could still be repeated."""

    def __init__(self) -> None:
        self._until_ms: dict[bytes, int] = {}
        self._first_ends_ms = 0

    def __contains__(self, nonce: bytes) -> bool:
        return nonce in self._until_ms

    def add(self, nonce: bytes, until_ms: int, now_ms: int) -> bool:
        """Remember a nonce; False where there is no room and none has expired."""
        if len(self._until_ms) >= MAX_REMEMBERED and self._first_ends_ms <= now_ms:
            self._until_ms = {n: until for n, until in self._until_ms.items() if until > now_ms}
            # Looking through them again before this one ends would find nothing.
            self._first_ends_ms = min(self._until_ms.values(), default=0)
        if len(self._until_ms) >= MAX_REMEMBERED:
            return False
        self._until_ms[nonce] = until_ms
        return True


def introduction(key: bytes) -> str:
    """Return the issuer name of somebody who is known by a public key alone."""
    return _INTRODUCTION + key.hex()


def introduced(issuer: str) -> bytes | None:
    """Return the key that `issuer` is the name of; None where it is no introduction."""
    try:
        key = bytes.fromhex(issuer.removeprefix(_INTRODUCTION))
    except ValueError:
        return None
    # One name a key: capitals and blanks would make more of them.
    return key if introduction(key) == issuer else None


def nonce_of(envelope: bytes) -> bytes:
    """Return the nonce of an envelope that we signed: the answer has to name it."""
    return _read(envelope, len(envelope)).nonce


def unverified(envelope: bytes, *, in_reply_to: bytes | None) -> Opened:
    """Return what an envelope holds and claims, checking nothing but the question answered.

    Raises `BadMessageError`. Only where the issuer's key is not known yet.
    """
    statement = _read(envelope, MAX_MESSAGE_BYTES)
    if statement.in_reply_to != in_reply_to:
        raise BadMessageError(f"a message of {statement.issuer!r} answers another question")
    return Opened(issuer=statement.issuer, nonce=statement.nonce, body=statement.body)


def _read(envelope: bytes, max_body_bytes: int) -> Statement:
    if len(envelope) > _HEAD_BYTES + _FRAMING_BYTES + max_body_bytes:
        raise BadMessageError(f"an envelope of {len(envelope)} bytes is refused")
    if len(envelope) < _HEAD_BYTES or envelope[0] != VERSION:
        came = envelope[0] if envelope else "none"
        raise BadMessageError(
            f"an envelope of version {came} came, {VERSION} is known: it is none, or the "
            "older node wants an upgrade"
        )
    try:
        return _decoder.decode(memoryview(envelope)[_HEAD_BYTES:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The reason names a place, never a value.
        raise BadMessageError(f"not a signed message: {error}") from error


def _is_signed(key: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
