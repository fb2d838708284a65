"""Chunks that tests of several packages begin with."""

import datetime as dt
from uuid import UUID

from recorder.chunk import GENESIS, Chunk, ChunkHeader, SealReason, encode, frame
from recorder.events import (
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    encode_burst,
)
from recorder.session_info import RecordingTerms, SessionInfo, Target, TargetProtocol

SESSION = UUID(int=7)
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


def chunk(
    events: list[KnownEvent],
    previous: Chunk | None = None,
    *,
    sequence: int | None = None,
    session_id: UUID = SESSION,
    cut_bytes: int = 0,
) -> Chunk:
    """Return the chunk of `events` after `previous`."""
    frames = frame(encode_burst(events))
    last = events[-1]
    after = 0 if previous is None else previous.header.sequence + 1
    header = ChunkHeader(
        session_id=session_id,
        sequence=after if sequence is None else sequence,
        sealed=SealReason.INTERVAL,
        first_ms=events[0].at_ms,
        last_ms=last.at_ms,
        first_at=STARTED + dt.timedelta(milliseconds=events[0].at_ms),
        previous_digest=GENESIS if previous is None else previous.digest,
        frames_bytes=len(frames),
        events=len(events),
        input_bytes=sum(len(event.data) for event in events if isinstance(event, ClientData)),
        output_bytes=sum(len(event.data) for event in events if isinstance(event, TargetData)),
        end_reason=last.reason if isinstance(last, SessionEnded) else None,
        cut_bytes=cut_bytes,
    )
    return encode(header, frames)


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
