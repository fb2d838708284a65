"""Seals a live feed from an engine to one watcher, and notices whatever was done to it.

A broker carries it, and others than the two may read and write there. Only who can
unwrap the session's data key opens a feed; each watch has a feed and a key of its own.

    key       HKDF-SHA256 (RFC 5869) of the data key; salt: 16 bytes that the engine made
              for this feed; info: "proxyd live feed key", session id, feed id
    message   version u8 (1) | position u64 | AES-256-GCM of a frame body, tag last
    position  how many bytes of bodies the feed carried before this message
    nonce     0000 | position
    AAD       session id | feed id | version | position

An empty body says that the session ended; nothing follows it.

INVARIANT: no nonce is used twice under one key. Only the last message leaves the position
where it was, and the engine never makes a feed of one salt twice.
"""

import secrets
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bus.contract import LiveFeed
from bus.errors import FeedCutError
from recorder.data_key import DataKey, derived

OVERHEAD_BYTES: Final = 25
"""What a message has beside the body: version, position, tag."""
_SALT_BYTES: Final = 16
_VERSION: Final = b"\x01"
_FRONT_BYTES: Final = 9
_PURPOSE: Final = b"proxyd live feed key"


class FeedSealer:
    """The engine's end of one feed."""

    __slots__ = ("_aead", "_bound", "_first", "_key", "_position", "_salt", "ended")

    def __init__(
        self,
        key: DataKey,
        session_id: UUID,
        feed_id: UUID,
        first_sequence: int | None = None,
    ) -> None:
        """Begin a feed that is like no other, whatever `feed_id` is."""
        self._first = first_sequence
        self._key = key.wrapped
        self._salt = secrets.token_bytes(_SALT_BYTES)
        self._bound = session_id.bytes + feed_id.bytes
        self._aead = AESGCM(key.derive(_PURPOSE + self._bound, self._salt))
        self._position = 0
        self.ended = False
        """Whether the message was sealed that nothing may follow."""

    @property
    def told(self) -> LiveFeed:
        """What the watcher must be told, in a signed answer, to open the feed."""
        return LiveFeed(
            salt=self._salt,
            key=self._key,
            position=self._position,
            first_sequence=self._first,
        )

    def seal(self, body: bytes) -> bytes:
        """Return the message for a frame body; an empty one says that the session ended."""
        if self.ended:
            raise ValueError("nothing follows the end of a feed")
        front = _VERSION + self._position.to_bytes(8, "big")
        sealed = self._aead.encrypt(_nonce(front), body, self._bound + front)
        self._position += len(body)
        self.ended = not body
        return front + sealed


class FeedOpener:
    """The watcher's end of one feed: every body in its order, or an error."""

    __slots__ = ("_aead", "_bound", "_broken", "position")

    def __init__(self, data_key: bytes, session_id: UUID, feed_id: UUID, salt: bytes) -> None:
        self._bound = session_id.bytes + feed_id.bytes
        self._aead = AESGCM(derived(data_key, _PURPOSE + self._bound, salt))
        self._broken: FeedCutError | None = None
        self.position = 0
        """How many bytes were opened."""

    def open(self, message: bytes) -> bytes:
        """Return the body, empty where the session ended.

        Raises `FeedCutError`, and again for all that comes after, where the message is not
        the engine's next one: altered, forged, sent again, out of order, or behind a loss.
        """
        if self._broken is not None:
            raise self._broken
        try:
            body = self._body(message)
        except FeedCutError as error:
            self._broken = error
            raise
        self.position += len(body)
        return body

    def check_reached(self, position: int) -> None:
        """Raise `FeedCutError` where the feed is said to be further than was opened."""
        if position > self.position:
            raise FeedCutError(
                f"the live feed lost {position - self.position} bytes; watch again"
            )

    def _body(self, message: bytes) -> bytes:
        front = message[:_FRONT_BYTES]
        if len(message) < OVERHEAD_BYTES or front[:1] != _VERSION:
            raise _altered()
        try:
            body = self._aead.decrypt(
                _nonce(front), message[_FRONT_BYTES:], self._bound + front
            )
        except InvalidTag as error:
            raise _altered() from error
        position = int.from_bytes(front[1:], "big")
        self.check_reached(position)
        if position < self.position:
            raise _altered()
        return body


def _nonce(front: bytes) -> bytes:
    return bytes(4) + front[1:]


def _altered() -> FeedCutError:
    return FeedCutError("the live feed was altered on its way; watch again")
