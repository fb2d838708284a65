"""Pictures of a session that goes on, from chunks that are stored and a feed that follows."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import av
import pytest
from samples.chunks import SESSION, data_key
from samples.desktops import desktop_chunks, opaque, recorded, screenshot

from bus.errors import FeedCutError
from control import live_desktops
from control.following import Joined
from control.live_desktops import LiveDesktops
from control.requests import LivePicture, StoredChunk
from recorder.chunk import read_frames
from recorder.replay.comprehend import comprehend

CHUNKS = desktop_chunks("shadow", 30)
BEGIN = len(CHUNKS) // 2
"""The chunk that the feed begins with."""


class Session:
    """A session of which the first chunks are stored, and a feed of the rest."""

    def __init__(self, stored: int = BEGIN, keyframe_at: int = 0) -> None:
        self.stored = stored
        self.looked = 0
        self.keyframe_at = keyframe_at
        self.error: Exception | None = None

    @contextlib.asynccontextmanager
    async def joined(self, session_id: UUID) -> AsyncIterator[Joined]:
        assert session_id == SESSION
        yield Joined(BEGIN, self._bodies())

    async def _bodies(self) -> AsyncIterator[bytes]:
        for chunk in CHUNKS[BEGIN:]:
            for body in read_frames(chunk.frames()):
                yield body
                await asyncio.sleep(0)
        if self.error is not None:
            raise self.error

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[StoredChunk]:
        self.looked += 1
        for chunk in CHUNKS[from_sequence : self.stored]:
            yield StoredChunk(
                sequence=chunk.header.sequence,
                digest=chunk.digest,
                encoded=chunk.encoded,
                data_key=data_key(chunk),
            )

    def keyframe(self, session_id: UUID, sequence: int) -> tuple[int, bytes | None]:
        state = None
        for chunk in CHUNKS[: self.keyframe_at]:
            state = comprehend(state, chunk.encoded, data_key(chunk)).state
        return self.keyframe_at, state

    async def watched(self) -> list[LivePicture]:
        desktops = LiveDesktops(self, self)  # type: ignore[arg-type] - as much as is asked
        return [picture async for picture in desktops.pictures(SESSION)]


def pixels(picture: LivePicture) -> bytes:
    with av.open(io.BytesIO(picture.png)) as file:
        [frame] = file.decode(video=0)
    return opaque(bytes(frame.reformat(format="bgr0").planes[0]))


@pytest.mark.parametrize("keyframe_at", [0, BEGIN - 1])
async def test_who_joins_late_sees_what_the_user_sees(keyframe_at: int) -> None:
    pictures = await Session(keyframe_at=keyframe_at).watched()
    assert pixels(pictures[-1]) == screenshot("shadow")
    assert [one.at_ms for one in pictures] == sorted({one.at_ms for one in pictures})
    assert pictures[0].at_ms < recorded("shadow")[-1].at_ms


async def test_a_chunk_that_is_stored_a_little_later_is_waited_for() -> None:
    class Late(Session):
        def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[StoredChunk]:
            self.stored = BEGIN if self.looked > 1 else BEGIN - 1
            return super().chunks(session_id, from_sequence)

    session = Late()
    assert pixels((await session.watched())[-1]) == screenshot("shadow")
    assert session.looked == 3


async def test_a_chunk_that_does_not_come_shows_as_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_desktops, "STORED_LIMIT_S", 0.2)
    whole = await Session().watched()
    pictures = await Session(stored=BEGIN - 1).watched()
    assert pictures
    assert pixels(pictures[0]) != pixels(whole[0])


async def test_a_feed_that_was_altered_ends_the_pictures() -> None:
    session = Session()
    session.error = FeedCutError("altered")
    with pytest.raises(FeedCutError, match="altered"):
        await session.watched()


async def test_what_is_behind_for_good_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_desktops, "MAX_WAITING_BYTES", 1000)
    with pytest.raises(FeedCutError, match="faster than pictures are made"):
        await Session().watched()
