import asyncio
from uuid import UUID

import pytest

from bus.errors import FeedCutError
from bus.feed import FEED_BYTES, Feeds

FEED, OTHER = UUID(int=7), UUID(int=8)


async def test_a_feed_holds_what_came_since_it_began():
    feeds = Feeds()
    feeds.put(FEED, b"before")
    feed = feeds.watch(FEED)
    feeds.put(FEED, b"one")
    feeds.put(OTHER, b"another's")
    feeds.put(FEED, b"two")
    assert [await feed.get(), await feed.get()] == [b"one", b"two"]


async def test_a_reader_waits_for_what_comes_and_may_stop_waiting():
    feeds = Feeds()
    feed = feeds.watch(FEED)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await feed.get()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(feed.get())
        await asyncio.sleep(0)
        feeds.put(FEED, b"late")
    assert waiting.result() == b"late"


async def test_a_reader_too_far_behind_is_cut_off_after_what_he_has():
    feeds = Feeds()
    feed = feeds.watch(FEED)
    for _ in range(5):
        feeds.put(FEED, bytes(FEED_BYTES // 4 - 200))
    for _ in range(4):
        await feed.get()
    with pytest.raises(FeedCutError, match="too far behind"):
        await feed.get()
    assert len(feeds) == 0


async def test_messages_without_a_body_fill_a_feed_too():
    feeds = Feeds()
    feeds.watch(FEED)
    for _ in range(FEED_BYTES // 200 + 1):
        feeds.put(FEED, b"")
    assert len(feeds) == 0


async def test_a_cut_ends_every_feed_and_says_why():
    feeds = Feeds()
    ours, other = feeds.watch(FEED), feeds.watch(OTHER)
    feeds.put(FEED, b"one")
    feeds.cut("the broker is gone")
    feeds.put(FEED, b"after")
    assert await ours.get() == b"one"
    for feed in (ours, other):
        with pytest.raises(FeedCutError, match="the broker is gone"):
            await feed.get()


async def test_a_reader_who_leaves_is_forgotten():
    feeds = Feeds()
    feeds.watch(FEED).close()
    assert len(feeds) == 0
