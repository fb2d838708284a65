from uuid import UUID

import pytest

from bus.errors import FeedCutError
from bus.sealed_feed import OVERHEAD_BYTES, FeedOpener, FeedSealer
from recorder.data_key import DataKey, WrappedKey

SESSION, FEED = UUID(int=7), UUID(int=8)
SECRET = bytes(range(32))
WRAPPED = WrappedKey(recording_key="key", sealed=b"sealed")


def sealer(session: UUID = SESSION, feed: UUID = FEED) -> FeedSealer:
    return FeedSealer(DataKey(session, SECRET, WRAPPED), session, feed)


def opener(of: FeedSealer, session: UUID = SESSION, feed: UUID = FEED) -> FeedOpener:
    return FeedOpener(SECRET, session, feed, of.told.salt)


def test_what_is_sealed_is_opened_in_its_order():
    ours = sealer()
    reader = opener(ours)
    bodies = [b"one", b"three", b""]
    assert [reader.open(ours.seal(body)) for body in bodies] == bodies
    assert reader.position == ours.told.position == 8


def test_a_message_shows_nothing_of_its_body():
    message = sealer().seal(b"hunter2")
    assert b"hunter2" not in message
    assert len(message) == len(b"hunter2") + OVERHEAD_BYTES


def test_a_lost_message_is_told_by_its_bytes():
    ours = sealer()
    reader = opener(ours)
    reader.open(ours.seal(b"one"))
    ours.seal(b"lost")
    with pytest.raises(FeedCutError, match="lost 4 bytes; watch again"):
        reader.open(ours.seal(b"next"))


def test_a_message_that_comes_again_is_not_shown_again():
    ours = sealer()
    reader = opener(ours)
    first = ours.seal(b"one")
    reader.open(first)
    with pytest.raises(FeedCutError, match="was altered"):
        reader.open(first)


def test_after_an_error_nothing_more_is_shown():
    ours = sealer()
    reader = opener(ours)
    with pytest.raises(FeedCutError):
        reader.open(b"forged" * 10)
    with pytest.raises(FeedCutError):
        reader.open(ours.seal(b"whole"))


def test_a_feed_is_of_one_session_one_watcher_and_one_beginning():
    ours = sealer()
    message = ours.seal(b"one")
    strangers = (
        opener(ours, session=UUID(int=1)),
        opener(ours, feed=UUID(int=1)),
        opener(sealer()),
        FeedOpener(bytes(32), SESSION, FEED, ours.told.salt),
    )
    for reader in strangers:
        with pytest.raises(FeedCutError, match="was altered"):
            reader.open(message)


def test_a_silent_end_is_noticed_by_what_the_engine_says():
    ours = sealer()
    reader = opener(ours)
    reader.open(ours.seal(b"one"))
    reader.check_reached(ours.told.position)
    ours.seal(b"lost")
    with pytest.raises(FeedCutError, match="lost 4 bytes"):
        reader.check_reached(ours.told.position)


def test_nothing_follows_the_end():
    ours = sealer()
    ours.seal(b"")
    with pytest.raises(ValueError, match="nothing follows"):
        ours.seal(b"more")
