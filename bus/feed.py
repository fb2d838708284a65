"""The live feeds of one control node: who watches which session, and what he has not read."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from bus.errors import FeedCutError

FEED_BYTES: Final = 4 * 1024 * 1024
"""A watcher further behind than this is cut off: he must not slow the session down."""


class Feeds:
    """Hands frame bodies to whoever watches. Nothing is skipped: a feed is whole, or cut."""

    def __init__(self) -> None:
        self._feeds: dict[UUID, list[_Feed]] = {}

    def __len__(self) -> int:
        """Return how many sessions are watched."""
        return len(self._feeds)

    def is_watched(self, session_id: UUID) -> bool:
        """Say whether somebody watches this session."""
        return session_id in self._feeds

    def watch(self, session_id: UUID) -> AsyncIterator[bytes]:
        """Yield frame bodies of a live session from now until it ends.

        Raises `FeedCutError` to a reader that fell behind.
        """
        feed = _Feed()
        self._feeds.setdefault(session_id, []).append(feed)
        return self._read(session_id, feed)

    def put(self, session_id: UUID, body: bytes) -> None:
        """Hand one frame body on; an empty one says that the session ended."""
        for feed in list(self._feeds.get(session_id, ())):
            if not body:
                feed.end(None)
            elif not feed.put(body):
                feed.end(FeedCutError(f"watching session {session_id} fell too far behind"))
            if feed.ended:
                self._leave(session_id, feed)

    def cut(self, why: str, session_id: UUID | None = None) -> None:
        """End the feeds of a session, or all, because something was missed."""
        for watched in [session_id] if session_id else list(self._feeds):
            for feed in self._feeds.pop(watched, []):
                feed.end(FeedCutError(why))

    def close(self) -> None:
        """End every feed."""
        for session_id in list(self._feeds):
            self.put(session_id, b"")

    async def _read(self, session_id: UUID, feed: "_Feed") -> AsyncIterator[bytes]:
        try:
            while (body := await feed.get()) is not None:
                yield body
        finally:
            self._leave(session_id, feed)

    def _leave(self, session_id: UUID, feed: "_Feed") -> None:
        feeds = self._feeds.get(session_id, [])
        if feed in feeds:
            feeds.remove(feed)
        if not feeds:
            self._feeds.pop(session_id, None)


class _Feed:
    """What one watcher has not read yet; bounded in bytes."""

    def __init__(self) -> None:
        self._bodies: deque[bytes] = deque()
        self._size_bytes = 0
        self._news = asyncio.Event()
        self._error: FeedCutError | None = None
        self.ended = False

    def put(self, body: bytes) -> bool:
        """Take a body; False where the watcher is too far behind."""
        if self._size_bytes + len(body) > FEED_BYTES:
            return False
        self._bodies.append(body)
        self._size_bytes += len(body)
        self._news.set()
        return True

    def end(self, error: FeedCutError | None) -> None:
        """Let the watcher read what is here, then end, with `error` where there is one."""
        self.ended, self._error = True, error
        self._news.set()

    async def get(self) -> bytes | None:
        """Return the next body; None at the end."""
        while not self._bodies and not self.ended:
            self._news.clear()
            await self._news.wait()
        if self._bodies:
            body = self._bodies.popleft()
            self._size_bytes -= len(body)
            return body
        if self._error is not None:
            raise self._error
        return None
