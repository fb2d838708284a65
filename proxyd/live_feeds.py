"""The live feeds that an engine gives: one for each watcher, sealed to him.

A feed lives as long as its watcher says every while that he is there. One whose watcher was
lost ends by itself, and no watcher can end another's.
"""

from typing import Final
from uuid import UUID

from bus.contract import FEED_LEASE_S, CommandResult, WatchSession
from bus.ports import EngineBus
from bus.sealed_feed import FeedSealer
from recorder.ports import Clock
from recorder.recorders import Recorders

MOST_FEEDS: Final = 16
"""Of one session: each seals every burst anew."""


class LiveFeeds:
    """All feeds of one engine."""

    def __init__(self, recorders: Recorders, bus: EngineBus, clock: Clock) -> None:
        self._recorders = recorders
        self._bus = bus
        self._clock = clock
        self._feeds: dict[UUID, _Feed] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._feeds)

    def obey(self, command: WatchSession) -> CommandResult:
        """Start a feed, go on with it, or stop it."""
        if command.feed_id is None:
            return CommandResult(done=False, detail="this engine seals its live feeds")
        if not command.watching:
            self._stop(command.feed_id)
            return CommandResult(done=True)
        return self._feed(command.session_id, command.feed_id)

    def hand_on(self, feed: "_Feed", body: bytes) -> None:
        """Seal what was recorded to the watcher of `feed`, if he is still there."""
        if self._clock.monotonic_ms() > feed.until_ms:
            self._stop(feed.id)
            return
        self._bus.publish_live(feed.id, feed.sealer.seal(body))
        if feed.sealer.ended:
            self._feeds.pop(feed.id, None)

    def _feed(self, session_id: UUID, feed_id: UUID) -> CommandResult:
        now_ms = self._clock.monotonic_ms()
        for late in [one.id for one in self._feeds.values() if one.until_ms < now_ms]:
            self._stop(late)
        feed = self._feeds.get(feed_id)
        if feed is None:
            others = sum(one.session_id == session_id for one in self._feeds.values())
            if others >= MOST_FEEDS:
                return CommandResult(
                    done=False, detail=f"{MOST_FEEDS} watch session {session_id} already"
                )
            feed = _Feed(self, session_id, feed_id)
            tapped = self._recorders.watch(session_id, feed.take)
            if tapped is None:
                return CommandResult(done=False, detail=f"session {session_id} has just ended")
            key, first_sequence = tapped
            feed.sealer = FeedSealer(key, session_id, feed_id, first_sequence)
            self._feeds[feed_id] = feed
        feed.until_ms = now_ms + round(FEED_LEASE_S * 1000)
        return CommandResult(done=True, feed=feed.sealer.told)

    def _stop(self, feed_id: UUID) -> None:
        feed = self._feeds.pop(feed_id, None)
        if feed is not None:
            self._recorders.unwatch(feed.session_id, feed.take)


class _Feed:
    """One of them."""

    __slots__ = ("_feeds", "id", "sealer", "session_id", "until_ms")

    sealer: FeedSealer

    def __init__(self, feeds: LiveFeeds, session_id: UUID, feed_id: UUID) -> None:
        self._feeds = feeds
        self.session_id, self.id = session_id, feed_id
        self.until_ms = 0

    def take(self, body: bytes) -> None:
        """Be the recorder's `LiveTap`."""
        self._feeds.hand_on(self, body)
