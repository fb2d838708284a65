"""One node on the bus: it signs what it says and opens what it is told, by its own clock."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.codec import MAX_MESSAGE_BYTES
from bus.signed import Key, Known, Opened, Signer, Verifier, introduction, unverified
from recorder.ports import Clock


class Identity:
    """A node's name and key, and whom it knows. For one thread.

    What was signed before this object was made is refused: the process that ran then may
    have obeyed it, and what it had opened is forgotten.
    """

    def __init__(
        self,
        name: str,
        key: Key,
        known: Known,
        clock: Clock,
        *,
        max_body_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.name = name
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._signer = Signer(name, key, max_body_bytes=max_body_bytes)
        self._verifier = Verifier(name, known, since=clock.now(), max_body_bytes=max_body_bytes)

    def sign_with(self, key: Key) -> None:
        """Sign with a new key from now on."""
        self._signer = Signer(self.name, key, max_body_bytes=self._max_body_bytes)

    def sign(self, audience: str, body: bytes, reply_to_nonce: bytes | None = None) -> bytes:
        """Return `body` in an envelope; raise `BadMessageError` where it is too large.

        `bus.signed.nonce_of` tells the nonce that the answer to it will name.
        """
        now = self._clock.now()
        return self._signer.sign(audience, body, now, in_reply_to=reply_to_nonce)

    def open(self, envelope: bytes, reply_to_nonce: bytes | None = None) -> Opened:
        """Return what it holds; raise `BadMessageError` where it is to be dropped.

        `reply_to_nonce` is the nonce of the question that this must answer; None where it
        must answer none.
        """
        return self._verifier.open(envelope, self._clock.now(), in_reply_to=reply_to_nonce)


class Introduction:
    """An engine that nobody knows yet, and that knows nobody: for enrolment alone.

    It signs in the name of its key; `name` says only where the bus delivers. It cannot tell
    who answers: what the answer carries has to prove itself, as
    `bus.contract.EngineEnrolled` does with the one-time code.
    """

    def __init__(self, name: str, key: Ed25519PrivateKey, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._signer = Signer(introduction(key.public_key().public_bytes_raw()), key)

    def sign(self, audience: str, body: bytes, reply_to_nonce: bytes | None = None) -> bytes:
        """Return `body` in an envelope; raise `BadMessageError` where it is too large."""
        now = self._clock.now()
        return self._signer.sign(audience, body, now, in_reply_to=reply_to_nonce)

    def open(self, envelope: bytes, reply_to_nonce: bytes | None = None) -> Opened:
        """Return what it holds, whoever signed it; raise `BadMessageError`."""
        return unverified(envelope, in_reply_to=reply_to_nonce)
