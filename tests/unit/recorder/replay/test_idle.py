from hypothesis import given
from hypothesis import strategies as st

from recorder.replay.idle import Clock, clock_without_pauses

MINUTE_MS = 60_000
moments = st.lists(st.integers(0, 10_000_000), min_size=2, max_size=20)


def seconds(clock: Clock, real_s: float) -> float:
    return clock.shown_us(round(real_s * 1e6)) / 1e6


def test_without_a_limit_both_clocks_are_one():
    clock = Clock(MINUTE_MS)
    assert [seconds(clock, at) for at in (0, 1.5, 59.999, 60)] == [0, 1.5, 59.999, 60]
    assert clock.duration_us == 60_000_000


def test_a_long_pause_lasts_as_long_as_the_limit():
    clock = clock_without_pauses([0, 40], MINUTE_MS, 2000)
    assert [seconds(clock, at) for at in (0, 1, 40, 41)] == [0, 1, 3, 4]


def test_a_pause_within_the_limit_stays_as_it_is():
    clock = clock_without_pauses([0, 3], 4000, 2000)
    assert [seconds(clock, at) for at in (0, 1, 3, 4)] == [0, 1, 3, 4]


def test_pauses_at_both_ends_are_shortened_too():
    clock = clock_without_pauses([30], MINUTE_MS, 2000)
    assert seconds(clock, 30) == 2
    assert clock.duration_us == 5_000_000


def test_a_session_in_which_nothing_happens_is_one_pause():
    assert clock_without_pauses([], MINUTE_MS, 2000).duration_us == 2_000_000


def test_a_session_without_any_length_is_no_trouble():
    assert clock_without_pauses([0], 1, 2000).duration_us == 1000
    assert Clock(0).shown_us(5) == 0


@given(st.sets(st.integers(0, 9_999), max_size=30), moments)
def test_time_never_goes_back_and_never_faster_than_it_was(busy: set[int], at: list[int]):
    clock = clock_without_pauses(busy, 10_000_000, 2000)
    shown = [clock.shown_us(moment * 1000) for moment in sorted(at)]
    assert shown == sorted(shown)
    assert shown[-1] <= clock.duration_us <= 10_000_000_000


@given(st.sets(st.integers(0, 999), min_size=1, max_size=30))
def test_what_happens_within_a_second_keeps_its_pace(busy: set[int]):
    clock = clock_without_pauses(busy, 1_000_000, 2000)
    for second in busy:
        begun, over = clock.shown_us(second * 10**6), clock.shown_us(second * 10**6 + 10**6)
        assert over - begun == 10**6
