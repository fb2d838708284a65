from uuid import UUID

import pytest

from bus.errors import FeedCutError
from bus.feed import FEED_BYTES, Feeds

SESSION, OTHER = UUID(int=7), UUID(int=8)


async def test_a_feed_holds_what_came_since_it_began_and_ends_with_the_session():
    feeds = Feeds()
    feeds.put(SESSION, b"before")
    feed = feeds.watch(SESSION)
    for body in (b"one", b"two", b""):
        feeds.put(SESSION, body)
    assert [body async for body in feed] == [b"one", b"two"]
    assert not feeds.is_watched(SESSION)


async def test_a_reader_too_far_behind_is_cut_off_after_what_he_has():
    feeds = Feeds()
    feed = feeds.watch(SESSION)
    for _ in range(5):
        feeds.put(SESSION, bytes(FEED_BYTES // 4))
    for _ in range(4):
        await anext(feed)
    with pytest.raises(FeedCutError, match="too far behind"):
        await anext(feed)


async def test_a_cut_ends_one_session_s_feeds_or_all():
    feeds = Feeds()
    ours, other = feeds.watch(SESSION), feeds.watch(OTHER)
    feeds.cut("some were lost", SESSION)
    with pytest.raises(FeedCutError, match="some were lost"):
        await anext(ours)
    assert feeds.is_watched(OTHER)
    feeds.cut("the broker is gone")
    with pytest.raises(FeedCutError, match="the broker is gone"):
        await anext(other)


async def test_a_reader_who_leaves_is_forgotten():
    feeds = Feeds()
    feed = feeds.watch(SESSION)
    feeds.put(SESSION, b"one")
    await anext(feed)
    await feed.aclose()
    assert len(feeds) == 0
