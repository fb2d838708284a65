import datetime as dt
import time

from recorder.clock import ManualClock, SystemClock


def test_the_system_clock_tells_the_time_in_utc():
    assert SystemClock().now().tzinfo is dt.UTC
    assert abs((SystemClock().now() - dt.datetime.now(dt.UTC)).total_seconds()) < 1


def test_the_system_clock_counts_milliseconds():
    clock = SystemClock()
    before_ms = clock.monotonic_ms()
    time.sleep(0.01)
    assert 10 <= clock.monotonic_ms() - before_ms < 1000


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock()
    began = clock.now()
    assert (clock.now(), clock.monotonic_ms()) == (began, 0)
    clock.advance(1.5)
    assert (clock.now() - began, clock.monotonic_ms()) == (dt.timedelta(seconds=1.5), 1500)


def test_a_step_moves_the_wall_clock_alone():
    clock = ManualClock()
    began = clock.now()
    clock.step(-60)
    assert (clock.now() - began, clock.monotonic_ms()) == (dt.timedelta(seconds=-60), 0)
