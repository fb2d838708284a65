import datetime as dt

from control.throttle import Throttle

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def failed(throttle: Throttle, pair: object, times: int) -> None:
    for _ in range(times):
        throttle.failed(pair, NOW)


def test_people_may_mistype_a_few_times():
    throttle = Throttle()
    failed(throttle, "a", 3)
    assert throttle.wait_s("a", NOW) == 0


def test_whoever_goes_on_waits_longer_each_time_but_never_for_ever():
    throttle = Throttle()
    failed(throttle, "a", 4)
    waits = []
    for _ in range(20):
        waits.append(throttle.wait_s("a", NOW))
        throttle.failed("a", NOW)
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == 15 * 60


def test_the_wait_ends():
    throttle = Throttle()
    failed(throttle, "a", 5)
    assert throttle.wait_s("a", NOW + 3 * SECOND) == 1
    assert throttle.wait_s("a", NOW + 4 * SECOND) == 0


def test_nobody_waits_for_the_failures_of_another():
    throttle = Throttle()
    failed(throttle, ("192.0.2.1", "ada"), 50)
    assert throttle.wait_s(("192.0.2.2", "ada"), NOW) == 0
    assert throttle.wait_s(("192.0.2.1", "bea"), NOW) == 0


def test_a_success_and_an_hour_make_good():
    throttle = Throttle()
    failed(throttle, "a", 9)
    assert throttle.wait_s("a", NOW + dt.timedelta(minutes=61)) == 0
    throttle.succeeded("a")
    assert throttle.wait_s("a", NOW) == 0


def test_memory_is_bounded():
    throttle = Throttle(free_tries=1, max_pairs=10)
    for number in range(100):
        throttle.failed(number, NOW)
    assert [n for n in range(100) if throttle.wait_s(n, NOW)] == list(range(90, 100))
