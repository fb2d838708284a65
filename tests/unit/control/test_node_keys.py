import datetime as dt

import pytest

from control import node_keys
from control.errors import ConflictError
from control.node_keys import Purpose

ONE, TWO, THREE = (bytes((number,)) * 32 for number in (1, 2, 3))


@pytest.fixture
def keys(database, clock):
    """Does something to the keys in a transaction of its own."""

    def do(what, *arguments, **named):
        with database.transaction() as session:
            return what(session, *arguments, **named)

    return do


@pytest.fixture
def now(clock):
    return clock.now()


def later(now, **by):
    return now + dt.timedelta(**by)


def test_a_key_counts_from_when_it_was_added_until_it_ends(keys, now):
    assert keys(node_keys.add, "engine-9", Purpose.SIGNING, ONE, now)
    current = (node_keys.current, "engine-9", Purpose.SIGNING)
    assert keys(*current, now) == (ONE,)
    assert keys(*current, later(now, seconds=-1)) == ()
    keys(node_keys.end, "engine-9", later(now, days=1))
    assert keys(*current, later(now, hours=23)) == (ONE,)
    assert keys(*current, later(now, days=1)) == ()


def test_adding_a_key_twice_is_harmless_unless_it_has_ended(keys, now):
    keys(node_keys.add, "engine-9", Purpose.SIGNING, ONE, now)
    assert not keys(node_keys.add, "engine-9", Purpose.SIGNING, ONE, now)
    keys(node_keys.end, "engine-9", now)
    with pytest.raises(ConflictError, match="has been replaced"):
        keys(node_keys.add, "engine-9", Purpose.SIGNING, ONE, now)


def test_nobody_takes_the_key_of_another(keys, now):
    keys(node_keys.add, "engine-9", Purpose.SIGNING, ONE, now)
    with pytest.raises(ConflictError, match="was engine-9's before"):
        keys(node_keys.add, "engine-8", Purpose.SIGNING, ONE, now)


def test_a_successor_ends_what_signed_before_it_and_nothing_else(keys, now):
    keys(node_keys.add, "engine-9", Purpose.SIGNING, ONE, now)
    keys(node_keys.add, "engine-9", Purpose.SEALING, TWO, now)
    keys(node_keys.add, "engine-9", Purpose.SIGNING, THREE, later(now, seconds=1))
    at = later(now, seconds=2)
    assert keys(node_keys.current, "engine-9", Purpose.SIGNING, at) == (ONE, THREE)
    keys(node_keys.end, "engine-9", at, but=THREE)
    assert keys(node_keys.current, "engine-9", Purpose.SIGNING, at) == (THREE,)
    assert keys(node_keys.current, "engine-9", Purpose.SEALING, at) == (TWO,)
