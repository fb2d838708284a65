"""The live feeds that a control node listens to, and what their watchers have not read.

The messages are opaque here, and nobody's word: `bus.sealed_feed` opens them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

from bus.errors import FeedCutError

FEED_BYTES: Final = 4 * 1024 * 1024
"""A watcher further behind than this is cut off: he must not slow the session down."""
_MESSAGE_COST_BYTES: Final = 200
"""What a message takes beside its bytes."""


class Feed:
    """What one watcher has not read yet; bounded in bytes."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._messages: deque[bytes] = deque()
        self._size_bytes = 0
        self._news = asyncio.Event()
        self._why = ""

    def put(self, message: bytes) -> None:
        """Take a message, or cut the watcher off where he is too far behind."""
        cost_bytes = len(message) + _MESSAGE_COST_BYTES
        if self._size_bytes + cost_bytes > FEED_BYTES:
            self.cut("the watcher fell too far behind; watch again")
            return
        self._messages.append(message)
        self._size_bytes += cost_bytes
        self._news.set()

    def cut(self, why: str) -> None:
        """Let the watcher read what is here, then tell him `why` there is no more."""
        self._why = self._why or why
        self._news.set()
        self._leave()

    def close(self) -> None:
        """Listen no more."""
        self._leave()

    async def get(self) -> bytes:
        """Return the next message; raise `FeedCutError`. Cancelled, it has taken nothing."""
        while not self._messages:
            if self._why:
                raise FeedCutError(self._why)
            self._news.clear()
            await self._news.wait()
        message = self._messages.popleft()
        self._size_bytes -= len(message) + _MESSAGE_COST_BYTES
        return message


class Feeds:
    """Hands messages to whoever listens for them; what nobody listens for is dropped."""

    def __init__(self) -> None:
        self._feeds: dict[UUID, Feed] = {}

    def __len__(self) -> int:
        """Return how many feeds are listened to."""
        return len(self._feeds)

    def watch(self, feed_id: UUID) -> Feed:
        """Return what hears a feed from now on."""
        feed = Feed(lambda: self._leave(feed_id))
        self._feeds[feed_id] = feed
        return feed

    def put(self, feed_id: UUID, message: bytes) -> None:
        """Hand one message on. Never waits."""
        feed = self._feeds.get(feed_id)
        if feed is not None:
            feed.put(message)

    def cut(self, why: str) -> None:
        """End every feed, because something was missed."""
        for feed in list(self._feeds.values()):
            feed.cut(why)

    def _leave(self, feed_id: UUID) -> None:
        self._feeds.pop(feed_id, None)
