"""Chunks that tests of several packages begin with."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

import msgspec

from recorder.chunk import (
    GENESIS,
    Chunk,
    ChunkHeader,
    EndManifest,
    SealReason,
    encode,
    frame,
)
from recorder.chunker import Count
from recorder.data_key import RecordingPrivateKey, RecordingPublicKey, WrappedKey
from recorder.events import (
    ClientData,
    EndReason,
    Event,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    encode_burst,
)
from recorder.session_info import RecordingTerms, SessionInfo, Target, TargetProtocol
from recorder.signing import SignerKey, SigningKey

SESSION = UUID(int=7)
RECORDING_KEY = RecordingPrivateKey(bytes(range(32)))
SIGNER = SigningKey("engine-1", bytes(range(32, 64)))


class Keys:
    """Both ends' keys: an engine's `SealingKeys`, the storage side's `RecordingKeys`."""

    signer = SIGNER

    @property
    def recording_key(self) -> RecordingPublicKey:
        """Return what data keys are wrapped to."""
        return RECORDING_KEY.public

    def unwrap(self, session_id: UUID, wrapped: WrappedKey) -> bytes:
        """Return a data key."""
        return RECORDING_KEY.unwrap(session_id, wrapped)


class Signers:
    """A `SignersOfMany` of the one engine, or of those that are given."""

    def __init__(self, *keys: SignerKey) -> None:
        self.keys = keys or (SignerKey(engine_id=SIGNER.engine_id, public=SIGNER.public),)

    def among(self, engine_ids: Collection[str]) -> "Signers":
        """Return those that are known."""
        return self

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        """Return the key with this id."""
        named = (engine_id, signing_key)
        return next((key for key in self.keys if (key.engine_id, key.key_id) == named), None)


KEYS = Keys()
DATA_KEY = KEYS.recording_key.new_data_key(SESSION)
"""One for all samples: chunks of a session share theirs."""
STARTED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
INFO = SessionInfo(
    session_id=SESSION,
    user="ana",
    secret_name="web",
    target=Target(host="10.0.0.5", port=22, protocol=TargetProtocol.SSH),
    site="default",
    engine_id="engine-1",
    client_address="192.0.2.1",
    terms=RecordingTerms(),
    started_at=STARTED,
)


def readable(one: Chunk) -> Chunk:
    """Return a chunk with its data key, as the storage side reads it."""
    key = one.header.key
    data_key = b"" if key is None else KEYS.unwrap(one.header.session_id, key)
    return msgspec.structs.replace(one, data_key=data_key)


def data_key(one: Chunk) -> bytes:
    """Return the unwrapped key of a chunk."""
    return readable(one).data_key


def packed(header: ChunkHeader, frames: bytes) -> Chunk:
    """Return a readable chunk of the sample session, whatever its header says."""
    header = msgspec.structs.replace(
        header, key=DATA_KEY.wrapped, engine_id=SIGNER.engine_id, signing_key=SIGNER.key_id
    )
    return readable(encode(header, frames, DATA_KEY, SIGNER))


def chunk(
    events: list[KnownEvent],
    previous: Chunk | None = None,
    *,
    sequence: int | None = None,
    session_id: UUID = SESSION,
    cut_bytes: int = 0,
    signer: SigningKey = SIGNER,
) -> Chunk:
    """Return the readable chunk of `events` after `previous`."""
    after = 0 if previous is None else previous.header.sequence + 1
    number = after if sequence is None else sequence
    frames, last = frame(encode_burst(events)), events[-1]
    key = DATA_KEY if session_id == SESSION else KEYS.recording_key.new_data_key(session_id)
    count = Count(0)
    count.add(list[Event](events))
    ends = isinstance(last, SessionEnded)
    header = ChunkHeader(
        session_id=session_id,
        sequence=number,
        sealed=SealReason.INTERVAL,
        first_ms=events[0].at_ms,
        last_ms=last.at_ms,
        first_at=STARTED + dt.timedelta(milliseconds=events[0].at_ms),
        previous_digest=GENESIS if previous is None else previous.digest,
        frames_bytes=len(frames),
        events=count.events,
        input_bytes=count.input_bytes,
        output_bytes=count.output_bytes,
        end_reason=last.reason if isinstance(last, SessionEnded) else None,
        cut_bytes=cut_bytes,
        key=key.wrapped,
        engine_id=signer.engine_id,
        signing_key=signer.key_id,
        manifest=EndManifest(last_sequence=number) if ends else None,
    )
    return readable(encode(header, frames, key, signer))


def three_chunks(reason: EndReason = EndReason.CLIENT_LEFT) -> list[Chunk]:
    """Return a whole session: it starts, something is shown and typed, it ends."""
    first = chunk([SessionStarted(at_ms=0, info=INFO)])
    second = chunk(
        [
            TargetData(at_ms=1000, channel=0, data=b"$ "),
            ClientData(at_ms=2000, channel=0, data=b"ls\r"),
        ],
        first,
    )
    return [first, second, chunk([SessionEnded(at_ms=3000, reason=reason)], second)]
