"""What the recorder needs from the world, and what it offers a relay."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol
from uuid import UUID

from msgspec import Struct

from recorder.chunk import Chunk, Digest
from recorder.data_key import DataKey, RecordingPublicKey
from recorder.events import EndReason, KnownEvent
from recorder.signing import ChunkSigner


class Clock(Protocol):
    """A source of time. The core is handed times; only edges hold a clock."""

    def now(self) -> dt.datetime:
        """Return the wall-clock time, in UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds since some fixed moment; never goes back."""
        ...


class SealingKeys(Protocol):
    """What an engine seals recordings with."""

    @property
    def recording_key(self) -> RecordingPublicKey:
        """The key that data keys of new sessions are wrapped to; it may change any time."""
        ...

    @property
    def signer(self) -> ChunkSigner:
        """What chunks are signed with."""
        ...


class EventSink(Protocol):
    """Where a relay puts what it sees. `record` and `drain` work like `StreamWriter`."""

    def at_ms(self) -> int:
        """Return milliseconds since the session began."""
        ...

    def record(self, events: list[KnownEvent]) -> None:
        """Take one burst at once, in one write, without waiting.

        On return the burst survives the death of this process, so its bytes may be
        forwarded. Raises `RecordingLostError` where it could not be kept.
        """
        ...

    @property
    def congested(self) -> bool:
        """Whether the sealed segments wait for the disk: read no more until `drain`."""
        ...

    async def drain(self) -> None:
        """Wait until there is room again; raise `RecordingLostError` if there never will be."""
        ...

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Record the end and seal the last chunk. Closing twice is harmless."""
        ...


class StorageReceipt(Struct, frozen=True, kw_only=True):
    """The storage side holds this chunk for good: it was committed before this was made."""

    session_id: UUID
    sequence: int
    digest: Digest


class ChunkSink(Protocol):
    """Where sealed chunks go: the bus."""

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt once `chunk` is stored. Shipping a chunk twice is harmless.

        Raises `ChunkRefusedError` where it never will be; after anything else it is sent
        again.
        """
        ...


LiveTap = Callable[[bytes], None]
"""Is handed each frame body of a watched session, at once; an empty one at its end."""


class Tapped(NamedTuple):
    """What a watcher must know of what he is handed."""

    key: DataKey
    """The session's."""
    first_sequence: int | None
    """The chunk that begins with the first frame; None where it is in the middle of one."""


EndSession = Callable[[UUID, EndReason, str], Awaitable[None]]
"""Ends a session, telling its user why."""
