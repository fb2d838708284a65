"""Recordings as a page plays them: in segments, with what stands around the player.

Nothing is read that is not shown: plans come from outlines, screens from keyframes, and
of the chunks only those of one segment. Blocking; for any thread.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from control.errors import NotFoundError
from control.requests import SearchHit, StoredChunk
from control.stored import StoredChunks
from recorder.chunk import Chunk, decode
from recorder.data_key import RecordingKeys
from recorder.errors import CorruptChunkError
from recorder.events import Event
from recorder.replay.comprehend import Screen, screens
from recorder.replay.outline import Opened, Outline, decode_outline, outline_of
from recorder.replay.segments import (
    OutlinedChunk,
    Plan,
    Segment,
    channels_of,
    clock_of,
    encode_index,
    encode_overview,
    encode_segment,
    first_played,
    plan,
)
from storage.reader import Reader, StoredOutline, data_key_of
from storage.search import Search

MOST_LINES: Final = 5000
"""Of one list: a page that holds more is no list any more."""
_REMEMBERED: Final = 4096
"""Outlines that had to be made by reading: recorded before there were any."""

_NEWEST: Final = 2**62
"""Behind every chunk."""


class View(Struct, frozen=True, kw_only=True):
    """What somebody looks at."""

    session_id: UUID
    channel: int | None = None
    """None: what is played first."""
    idle_limit_ms: int | None = None
    """None: pauses last as long as they did."""


class Playback:
    """Reads what is stored. Every method raises `StorageUnavailableError`."""

    def __init__(self, reader: Reader, search: Search, keys: RecordingKeys) -> None:
        self._reader = reader
        self._search = search
        self._keys = keys
        self._made: OrderedDict[tuple[UUID, int], Outline] = OrderedDict()
        self._making = threading.Lock()

    def channels(self, session_id: UUID) -> list[Opened]:
        """Return the channels that can be played."""
        return channels_of(self._outlined(session_id))

    def index(self, view: View, name: str) -> bytes:
        """Return what the player reads first; raise `NotFoundError`.

        `name` is the address of a segment, with `{}` for its first chunk's number.
        """
        chunks = self._outlined(view.session_id)
        return encode_index(self._plan(chunks, view), chunks, name)

    def segment(self, view: View, sequence: int) -> bytes:
        """Return the segment that begins with a chunk; raise `NotFoundError`."""
        planned = self._plan(self._outlined(view.session_id), view)
        for segment in planned.segments:
            if segment.sequence == sequence:
                screen = self._screen(view.session_id, sequence, planned.opened.channel)
                events = self._events(view.session_id, segment)
                return encode_segment(planned, segment, screen, events)
        raise NotFoundError(f"no segment of session {view.session_id} begins at {sequence}")

    def screen_now(self, session_id: UUID, channel: int | None) -> tuple[int, Screen | None]:
        """Return where to go on watching a live session, and what it showed there.

        Without a screen everything is read from the first chunk on.
        """
        frame = self._reader.keyframe(session_id, _NEWEST)
        if frame is None:
            return 0, None
        shown = screens(frame.state)
        with_terminal = [one for one in shown if one.has_terminal]
        for screen in with_terminal if channel is None else shown:
            if channel in {None, screen.channel}:
                return frame.sequence, screen
        return 0, None

    def stored(self, session_id: UUID) -> Iterator[StoredChunk]:
        """Yield every chunk as it is, whole or not."""
        return StoredChunks(self._reader, self._keys).chunks(session_id, 0)

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[Chunk]:
        """Yield stored chunks from one on, up to the first that cannot be read."""
        for stored in self._reader.chunks(session_id, from_sequence):
            try:
                yield decode(stored.encoded, data_key_of(stored.encoded, self._keys))
            except CorruptChunkError:
                return

    def overview(self, view: View) -> bytes:
        """Return clock and activity of a channel, be it a terminal or a desktop."""
        chunks = self._outlined(view.session_id)
        channel = view.channel
        if channel is None:
            opened = first_played(channels_of(chunks))
            channel = 0 if opened is None else opened.channel
        return encode_overview(chunks, clock_of(chunks, channel, view.idle_limit_ms), channel)

    def lines(
        self, session_id: UUID, kinds: tuple[str, ...], text: str = ""
    ) -> list[SearchHit]:
        """Return what was run, typed, shown or moved, in order of time; the first of it."""
        return [
            SearchHit(
                session=hit.session,
                at_ms=hit.at_ms,
                kind=hit.kind,
                text=hit.text,
                channel=hit.channel,
            )
            for hit in self._search.lines(session_id, kinds, text, MOST_LINES)
        ]

    def _plan(self, chunks: Sequence[OutlinedChunk], view: View) -> Plan:
        channels = channels_of(chunks)
        if view.channel is None:
            opened = first_played(channels)
        else:
            opened = next((one for one in channels if one.channel == view.channel), None)
        if opened is None:
            raise NotFoundError(
                f"session {view.session_id} has no such channel to play; "
                "`proxyd session export --format events` has everything"
            )
        return plan(chunks, opened, idle_limit_ms=view.idle_limit_ms)

    def _outlined(self, session_id: UUID) -> list[OutlinedChunk]:
        return [
            OutlinedChunk(
                sequence=stored.sequence,
                first_ms=stored.first_ms,
                last_ms=stored.last_ms,
                has_keyframe=stored.has_keyframe,
                outline=self._outline(session_id, stored),
            )
            for stored in self._reader.outlines(session_id)
        ]

    def _outline(self, session_id: UUID, stored: StoredOutline) -> Outline:
        outline = None if stored.outline is None else decode_outline(stored.outline)
        return outline or self._made_now(session_id, stored.sequence)

    def _made_now(self, session_id: UUID, sequence: int) -> Outline:
        key = (session_id, sequence)
        with self._making:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        following = self._reader.keyframe(session_id, sequence + 1)
        kept: list[Screen] = []
        if following is not None and following.sequence == sequence + 1:
            kept = screens(following.state)
        events = list(self._events_of(session_id, sequence, sequence + 1))
        outline = outline_of(events, [screen.channel for screen in kept])
        if following is not None:
            # Without a keyframe it is still to be indexed, and will then know more.
            with self._making:
                self._made[key] = outline
                while len(self._made) > _REMEMBERED:
                    self._made.popitem(last=False)
        return outline

    def _screen(self, session_id: UUID, sequence: int, channel: int) -> Screen | None:
        frame = self._reader.keyframe(session_id, sequence) if sequence else None
        if frame is None or frame.sequence != sequence:
            return None
        return next((one for one in screens(frame.state) if one.channel == channel), None)

    def _events(self, session_id: UUID, segment: Segment) -> Iterator[Event]:
        return self._events_of(session_id, segment.sequence, segment.until)

    def _events_of(self, session_id: UUID, sequence: int, until: int) -> Iterator[Event]:
        """Yield what can be read of some chunks; what cannot, `verify` tells of."""
        for stored in self._reader.chunks(session_id, sequence):
            if stored.sequence < until:
                with contextlib.suppress(CorruptChunkError):
                    key = data_key_of(stored.encoded, self._keys)
                    yield from decode(stored.encoded, key).unpack()
            if stored.sequence >= until - 1:
                return  # The next one need not be fetched to know that it is not wanted.
