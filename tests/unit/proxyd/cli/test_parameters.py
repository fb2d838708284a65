import datetime as dt

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyd.cli.parameters import Moment, Position, position_text
from recorder.clock import ManualClock

NOW = dt.datetime(2026, 11, 23, 20, 0, tzinfo=dt.UTC)


def moment(text: str, *, end_of_day: bool = False) -> str:
    parameter = Moment(end_of_day=end_of_day, clock=ManualClock(NOW))
    return parameter.convert(text, None, None).isoformat()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00+00:00"),
        ("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00+00:00"),
        ("2026-11-01 10:00", "2026-11-01T10:00:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2h", "2026-11-23T18:00:00+00:00"),
        ("3d ago", "2026-11-20T20:00:00+00:00"),
        ("1.5m", "2026-11-23T19:58:30+00:00"),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, meant: str) -> None:
    assert moment(text) == meant


def test_until_a_date_means_to_its_end() -> None:
    assert moment("2026-11-01", end_of_day=True) == "2026-11-01T23:59:59.999999+00:00"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2", "", "9" * 30 + "d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        moment(text)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("90", 90_000),
        ("0.25", 250),
        ("1:30", 90_000),
        ("1:02:03.5", 3_723_500),
        ("+2m", 120_000),
        ("+1h5m", 3_900_000),
        ("45s", 45_000),
    ],
)
def test_a_position_is_seconds_or_minutes_or_hours(text: str, at_ms: int) -> None:
    assert Position().convert(text, None, None) == at_ms


@pytest.mark.parametrize("text", ["", "+", "soon", "1:2:3:4", "-5"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Position().convert(text, None, None)


@given(st.integers(0, 10**9))
def test_a_position_that_is_printed_can_be_typed(at_ms: int) -> None:
    typed = Position().convert(position_text(at_ms), None, None)
    assert typed == at_ms // 100 * 100
