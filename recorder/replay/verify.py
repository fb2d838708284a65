"""Whether what is stored of a session is what was recorded, chunk by chunk.

A chunk carries its number, the digest of the one before it and its engine's signature;
the store noted each digest when the chunk arrived; the engine digested each stream that
ended, and summed up the whole in its end manifest; the log of sessions names the last
chunk. All of these witnesses must agree. Reading is a stream, so that a long recording
needs no memory.
"""

import datetime as dt
import enum
import hashlib
from collections.abc import Iterable, Iterator
from uuid import UUID

from msgspec import Struct

from recorder.chunk import (
    GENESIS,
    Chunk,
    ChunkHeader,
    Digest,
    EndManifest,
    check_signed,
    decode,
    digest_of,
)
from recorder.chunker import Totals
from recorder.errors import CorruptChunkError, UntrustedChunkError
from recorder.events import (
    CaptureTruncated,
    ChannelId,
    ClientData,
    Event,
    InputMasked,
    RecordingGap,
    SessionStarted,
    Stream,
    StreamDigested,
    TargetData,
    TargetErrorData,
)
from recorder.session_info import RecordingMode
from recorder.signing import KnownSigners

_StreamKey = tuple[ChannelId, Stream]
_STREAMS = {
    ClientData: Stream.CLIENT,
    TargetData: Stream.TARGET,
    TargetErrorData: Stream.TARGET_ERROR,
}
_OF_TARGET = frozenset({Stream.TARGET, Stream.TARGET_ERROR})
_UNRECORDED = {
    RecordingMode.EVERYTHING: frozenset[Stream](),
    RecordingMode.KEYSTROKES: _OF_TARGET,
    RecordingMode.VIDEO: frozenset({Stream.CLIENT}),
    RecordingMode.NOTHING: _OF_TARGET | {Stream.CLIENT},
}
"""The streams that a mode leaves out, so that there is nothing to compare."""


class Problem(enum.StrEnum):
    """What can be wrong with a recording."""

    ALTERED = "altered"
    MISSING = "missing"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    STREAM_DIFFERS = "stream differs"
    MANIFEST_DIFFERS = "manifest differs"
    FORGED = "forged"
    LOG_DIFFERS = "log differs"
    GAP = "gap"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    problem: Problem
    sequence: int | None
    """The chunk, or None where it is none in particular."""
    text: str


class Kept(Struct, frozen=True, kw_only=True):
    """One chunk beside what the store noted when it arrived."""

    sequence: int
    digest: bytes
    encoded: bytes
    data_key: bytes = b""
    stored_at: dt.datetime | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of the session apart from its chunks."""

    session_id: UUID | None = None
    """None: whatever the first chunk says."""
    live: bool = False
    chunks: int = 0
    """At least so many must be there."""
    signers: KnownSigners | None = None
    """Whose signatures count. None: nobody's are looked at."""
    signed: bool = True
    """Whether a chunk without a signature is a forgery; not so in an old recording."""
    last_digest: bytes | None = None
    """Of the chunk that ended the session, as the log of sessions has it."""


def verify(chunks: Iterable[Kept], facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with `chunks`, given as the store hands them out."""
    chain = _Chain(facts)
    for kept in chunks:
        yield from chain.check(kept)
    yield from chain.end()


class _Chain:
    """Follows the chunks of one session."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._session_id = facts.session_id
        self._expected = 0
        self._before: frozenset[Digest] = frozenset({GENESIS})
        """What the next chunk may follow: the last one as it is, and as it arrived."""
        self._last_digest: Digest | None = None
        self._ended = False
        self._content = _Content()

    def check(self, kept: Kept) -> Iterator[Finding]:
        """Yield what is wrong with the next chunk."""
        digest = digest_of(kept.encoded)
        if digest != kept.digest:
            yield _of(kept, Problem.ALTERED, "is not what the store received")
        if kept.sequence < self._expected:
            yield from self._again(kept, digest)
            return
        if kept.sequence > self._expected:
            yield self._hole(kept.sequence)
        yield from self._next(kept, digest)

    def end(self) -> Iterator[Finding]:
        """Yield what is missing behind the last chunk."""
        if self._expected < self._facts.chunks:
            yield self._hole(self._facts.chunks)
        if not self._ended and not self._facts.live:
            yield Finding(
                problem=Problem.TRUNCATED,
                sequence=None,
                text=f"the recording breaks off after {self._expected} chunks, without its end",
            )
        if self._facts.last_digest not in {None, self._last_digest}:
            yield Finding(
                problem=Problem.LOG_DIFFERS,
                sequence=None,
                text="by the log of sessions it ended with another chunk than the last here",
            )

    def _again(self, kept: Kept, digest: Digest) -> Iterator[Finding]:
        if digest in self._before:
            return  # The same chunk twice is harmless.
        if kept.sequence == self._expected - 1:
            yield _of(kept, Problem.DUPLICATED, "is there twice, with other content")
        else:
            yield _of(kept, Problem.REORDERED, f"comes after chunk {self._expected - 1}")

    def _hole(self, until: int) -> Finding:
        first, last = self._expected, until - 1
        self._before = frozenset()
        self._content.lose()
        text = f"chunk {first} is missing"
        if first != last:
            text = f"chunks {first} to {last} are missing"
        return Finding(problem=Problem.MISSING, sequence=first, text=text)

    def _next(self, kept: Kept, digest: Digest) -> Iterator[Finding]:
        before, self._before = self._before, frozenset({digest, kept.digest})
        self._expected, self._last_digest = kept.sequence + 1, digest
        try:
            chunk = decode(kept.encoded, kept.data_key)
            yield from self._signature(kept, chunk)
            yield from self._header(kept, chunk, before)
            events = chunk.unpack()
        except CorruptChunkError as error:
            self._content.lose()
            yield _of(kept, Problem.DAMAGED, f"cannot be read: {error}")
            return
        if chunk.header.events not in {None, len(events)}:
            yield _of(
                kept,
                Problem.ALTERED,
                f"holds {len(events)} events and says {chunk.header.events}",
            )
        for problem, text in self._content.check(events, chunk.header):
            yield _of(kept, problem, text)

    def _signature(self, kept: Kept, chunk: Chunk) -> Iterator[Finding]:
        facts = self._facts
        if facts.signers is None or (chunk.header.format == 1 and not facts.signed):
            return
        try:
            check_signed(chunk, facts.signers, kept.stored_at)
        except UntrustedChunkError as error:
            yield Finding(problem=Problem.FORGED, sequence=kept.sequence, text=str(error))

    def _header(self, kept: Kept, chunk: Chunk, before: frozenset[Digest]) -> Iterator[Finding]:
        header = chunk.header
        if self._session_id is None:
            self._session_id = header.session_id
        if header.session_id != self._session_id:
            yield _of(kept, Problem.ALTERED, f"belongs to session {header.session_id}")
        if header.sequence != kept.sequence:
            yield _of(kept, Problem.REORDERED, f"is chunk {header.sequence} by its own header")
        if before and header.previous_digest not in before:
            yield _of(kept, Problem.ALTERED, "does not follow the chunk before it, as it was")
        if self._ended:
            yield _of(kept, Problem.ALTERED, "comes behind the end of the session")
        self._ended = self._ended or header.end_reason is not None


class _Content:
    """Digests the streams once more, and compares them with what the engine noted."""

    def __init__(self) -> None:
        self._streams: dict[_StreamKey, _StreamSum] = {}
        self._incomplete: set[_StreamKey] = set()
        self._unrecorded: frozenset[Stream] = frozenset()
        self._totals = Totals()
        self._lost = False
        self._gap = False
        self._last_ms = 0

    def lose(self) -> None:
        """Take note that a chunk is missing: no sum can be compared any more."""
        self._gap = True
        self._lose_streams()

    def _lose_streams(self) -> None:
        self._lost = True
        self._streams.clear()

    def check(self, events: list[Event], header: ChunkHeader) -> Iterator[tuple[Problem, str]]:
        """Yield what is wrong with the next events."""
        self._totals.add(events)
        goes_back = False
        for event in events:
            goes_back = goes_back or event.at_ms < self._last_ms
            self._last_ms = max(self._last_ms, event.at_ms)
            yield from self._follow(event)
        if goes_back:
            yield Problem.REORDERED, "goes back in time"
        if header.end_reason is not None and header.format != 1:
            yield from self._whole(header.manifest, header.sequence)

    def _whole(self, noted: EndManifest | None, sequence: int) -> Iterator[tuple[Problem, str]]:
        if noted is None or noted.last_sequence != sequence:
            yield Problem.MANIFEST_DIFFERS, "ends the session without its end manifest"
            return
        found = self._totals.manifest(sequence)
        # A dead engine left its sums empty.
        if noted.events is not None and not self._gap and found != noted:
            text = (
                f"says in its end manifest that {noted.events} events were recorded, "
                f"{noted.input_bytes} bytes in and {noted.output_bytes} out; here are "
                f"{found.events}, {found.input_bytes} and {found.output_bytes}, or others"
            )
            yield Problem.MANIFEST_DIFFERS, text

    def _follow(self, event: Event) -> Iterator[tuple[Problem, str]]:
        match event:
            case ClientData() | TargetData() | TargetErrorData():
                self._add((event.channel, _STREAMS[type(event)]), event.data)
            case SessionStarted():
                self._unrecorded = _UNRECORDED[event.info.terms.mode]
            case CaptureTruncated():
                self._incomplete.add((event.channel, event.stream))
            case InputMasked():
                self._incomplete.add((event.channel, Stream.CLIENT))
            case RecordingGap():
                self._lose_streams()
                yield Problem.GAP, f"says that events are missing: {event.reason}"
            case StreamDigested():
                yield from self._compare(event)
            case _:
                pass

    def _add(self, key: _StreamKey, data: bytes) -> None:
        if self._lost or key in self._incomplete:
            return
        stream = self._streams.setdefault(key, _StreamSum())
        stream.size_bytes += len(data)
        stream.sha256.update(data)

    def _compare(self, noted: StreamDigested) -> Iterator[tuple[Problem, str]]:
        key = (noted.channel, noted.stream)
        found = self._streams.pop(key, None) or _StreamSum()
        if self._lost or key in self._incomplete or noted.stream in self._unrecorded:
            return
        if (found.size_bytes, found.sha256.digest()) != (noted.size_bytes, noted.sha256):
            text = (
                f"notes {noted.size_bytes} bytes of {noted.stream} on channel {noted.channel}; "
                f"the recording holds {found.size_bytes}, or others"
            )
            yield Problem.STREAM_DIFFERS, text


class _StreamSum:
    """What a stream has come to so far."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.sha256 = hashlib.sha256()


def _of(kept: Kept, problem: Problem, what: str) -> Finding:
    return Finding(
        problem=problem, sequence=kept.sequence, text=f"chunk {kept.sequence} {what}"
    )
