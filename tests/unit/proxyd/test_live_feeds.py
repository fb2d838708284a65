from pathlib import Path
from uuid import UUID

from samples.chunks import KEYS, SESSION
from samples.recordings import engine, shown

from bus.contract import FEED_LEASE_S, CommandResult, WatchSession
from bus.sealed_feed import FeedOpener
from proxyd.live_feeds import MOST_FEEDS, LiveFeeds
from recorder.clock import ManualClock
from recorder.events import EndReason, SessionEnded, TargetData, decode_burst

FEED = UUID(int=100)


class Published:
    """The part of a bus that live feeds use."""

    def __init__(self) -> None:
        self.messages: list[tuple[UUID, bytes]] = []

    def publish_live(self, feed_id: UUID, message: bytes) -> None:
        self.messages.append((feed_id, message))

    def of(self, feed_id: UUID) -> list[bytes]:
        return [message for of, message in self.messages if of == feed_id]


def watch(feed_id: UUID | None = FEED, *, watching: bool = True) -> WatchSession:
    return WatchSession(session_id=SESSION, watching=watching, feed_id=feed_id)


def opener(result: CommandResult, feed_id: UUID = FEED) -> FeedOpener:
    assert result.feed is not None
    secret = KEYS.unwrap(SESSION, result.feed.key)
    return FeedOpener(secret, SESSION, feed_id, result.feed.salt)


async def test_each_watcher_gets_a_sealed_feed_of_his_own(tmp_path: Path):
    bus = Published()
    async with engine(tmp_path) as running:
        feeds = LiveFeeds(running.recorders, bus, ManualClock())
        sink = await running.start()
        sink.record([shown(sink, b"before")])
        readers = {feed: opener(feeds.obey(watch(feed)), feed) for feed in (FEED, UUID(int=2))}
        sink.record([shown(sink, b"hunter2")])
        await sink.close(EndReason.CLIENT_LEFT)
    for feed_id, reader in readers.items():
        seen, ended, over = map(reader.open, bus.of(feed_id))
        [event] = decode_burst(seen)
        assert isinstance(event, TargetData)
        assert event.data == b"hunter2"
        assert isinstance(decode_burst(ended)[0], SessionEnded)
        assert over == b""
    assert not any(b"hunter2" in message for _, message in bus.messages)
    assert len(feeds) == 0


async def test_a_feed_goes_on_where_it_was_and_begins_anew_under_another_key(tmp_path: Path):
    bus = Published()
    async with engine(tmp_path) as running:
        feeds = LiveFeeds(running.recorders, bus, ManualClock())
        sink = await running.start()
        first = feeds.obey(watch())
        sink.record([shown(sink, b"one")])
        on = feeds.obey(watch())
        assert first.feed
        assert on.feed
        assert (first.feed.salt, first.feed.position) == (on.feed.salt, 0)
        assert on.feed.position > 0
        feeds.obey(watch(watching=False))
        sink.record([shown(sink, b"unseen")])
        assert len(bus.messages) == 1
        again = feeds.obey(watch())
        assert again.feed
        assert again.feed.salt != first.feed.salt


async def test_a_feed_whose_watcher_was_lost_ends_by_itself(tmp_path: Path):
    bus, clock = Published(), ManualClock()
    async with engine(tmp_path) as running:
        feeds = LiveFeeds(running.recorders, bus, clock)
        sink = await running.start()
        feeds.obey(watch())
        clock.advance(FEED_LEASE_S - 1)
        feeds.obey(watch())
        clock.advance(FEED_LEASE_S - 1)
        sink.record([shown(sink, b"one")])
        clock.advance(2)
        sink.record([shown(sink, b"two")])
        assert (len(bus.messages), len(feeds)) == (1, 0)


async def test_only_so_many_watch_one_session_and_who_left_makes_room(tmp_path: Path):
    clock = ManualClock()
    async with engine(tmp_path) as running:
        feeds = LiveFeeds(running.recorders, Published(), clock)
        await running.start()
        asked = [feeds.obey(watch(UUID(int=number))) for number in range(MOST_FEEDS + 1)]
        assert [result.done for result in asked] == [True] * MOST_FEEDS + [False]
        assert "watch session" in asked[-1].detail
        clock.advance(FEED_LEASE_S + 1)
        assert feeds.obey(watch()).done


async def test_a_session_that_is_over_and_a_control_node_of_old_are_refused(tmp_path: Path):
    async with engine(tmp_path) as running:
        feeds = LiveFeeds(running.recorders, Published(), ManualClock())
        assert "has just ended" in feeds.obey(watch()).detail
        sink = await running.start()
        assert not feeds.obey(watch(None)).done
        await sink.close(EndReason.CLIENT_LEFT)
        assert not feeds.obey(watch()).done
