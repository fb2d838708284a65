import datetime as dt

from sqlalchemy.dialects import sqlite

from storage.moments import UTC

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
DIALECT = sqlite.dialect()


def test_a_moment_is_stored_in_utc_wherever_it_was_said():
    elsewhere = NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))
    stored = UTC().process_bind_param(elsewhere, DIALECT)
    assert (stored, stored.utcoffset()) == (NOON, dt.timedelta(0))


def test_a_moment_without_a_zone_is_utc():
    assert UTC().process_result_value(NOON.replace(tzinfo=None), DIALECT) == NOON
    assert UTC().process_result_value(NOON, DIALECT) == NOON


def test_no_moment_stays_none():
    assert UTC().process_bind_param(None, DIALECT) is None
    assert UTC().process_result_value(None, DIALECT) is None
