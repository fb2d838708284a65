"""Whatever a broker does to a live feed, its watcher sees the beginning of it, or an error."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import FeedCutError
from bus.sealed_feed import FeedOpener, FeedSealer
from recorder.data_key import DataKey, WrappedKey

SESSION, FEED = UUID(int=7), UUID(int=8)
SECRET = bytes(32)
KEY = DataKey(SESSION, SECRET, WrappedKey(recording_key="", sealed=b""))
BODIES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8)


def sealed(bodies: list[bytes]) -> tuple[FeedOpener, list[bytes]]:
    ours = FeedSealer(KEY, SESSION, FEED)
    return FeedOpener(SECRET, SESSION, FEED, ours.told.salt), [ours.seal(b) for b in bodies]


@settings(deadline=None)
@given(bodies=BODIES, data=st.data())
def test_in_any_order_with_any_missing_or_twice_only_a_beginning_is_shown(
    bodies: list[bytes], data: st.DataObject
):
    reader, messages = sealed(bodies)
    arriving = data.draw(st.lists(st.integers(0, len(bodies) - 1), max_size=12))
    shown: list[bytes] = []
    whole = True
    for number in arriving:
        try:
            shown.append(reader.open(messages[number]))
        except FeedCutError:
            whole = False
    assert shown == bodies[: len(shown)]
    assert whole == (arriving == list(range(len(arriving))))


@settings(deadline=None)
@given(bodies=BODIES, data=st.data())
def test_a_byte_changed_anywhere_is_refused(bodies: list[bytes], data: st.DataObject):
    reader, messages = sealed(bodies)
    message = bytearray(messages[0])
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FeedCutError):
        reader.open(bytes(message))
