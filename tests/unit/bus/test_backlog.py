import pytest
from samples.chunks import chunk

from bus.backlog import AT_ONCE, AT_ONCE_BYTES, LONGEST_DELAY_S, Backlog, Delivery
from bus.topology import TRIES
from recorder.chunk import Chunk
from recorder.events import ClientData

SMALL = chunk([ClientData(at_ms=0, channel=0, data=b"x")])


def delivery(tag: int, *, tries: int = 0, of: Chunk = SMALL) -> Delivery:
    return Delivery(
        tag=tag, key="site.engine-1", correlation_id=None, chunk=of, tries=tries, came_s=0
    )


def tags(deliveries: list[Delivery]) -> list[int]:
    return [each.tag for each in deliveries]


@pytest.fixture
def backlog() -> Backlog:
    return Backlog()


def test_a_single_chunk_is_taken_at_once(backlog):
    assert backlog.wait_s(0) is None
    backlog.add(delivery(1))
    assert backlog.wait_s(0) == 0
    assert tags(backlog.take(0)) == [1]
    assert len(backlog) == 0


def test_what_has_come_is_taken_together_in_its_order_up_to_a_bound(backlog):
    for tag in range(AT_ONCE + 3):
        backlog.add(delivery(tag))
    assert tags(backlog.take(0)) == [*range(AT_ONCE)]
    assert tags(backlog.take(0)) == [*range(AT_ONCE, AT_ONCE + 3)]
    assert backlog.take(0) == []


def test_large_chunks_are_taken_up_to_a_number_of_bytes_and_the_largest_alone(backlog):
    def sized(size: int) -> Chunk:
        return Chunk(
            header=SMALL.header, pieces=(bytes(size),), payload_offset=SMALL.payload_offset
        )

    half, beyond = sized(AT_ONCE_BYTES // 2), sized(AT_ONCE_BYTES + 1)
    for tag, each in enumerate((half, half, half, beyond)):
        backlog.add(delivery(tag, of=each))
    assert [tags(backlog.take(0)) for _ in range(4)] == [[0, 1], [2], [3], []]


def test_what_was_delivered_before_is_taken_alone_in_turn_with_what_is_new(backlog):
    for tag in range(3):
        backlog.add(delivery(tag))
    backlog.add(delivery(7, tries=2))
    backlog.add(delivery(8, tries=1))
    assert tags(backlog.take(0)) == [0, 1, 2]
    backlog.add(delivery(3))
    assert tags(backlog.take(0)) == [8]
    assert tags(backlog.take(0)) == [3]
    assert tags(backlog.take(0)) == [7]


@pytest.mark.parametrize("place", [0, 1, 13, AT_ONCE - 1])
def test_a_chunk_that_kills_its_worker_takes_none_with_it(place):
    """All that is held when the worker dies comes again, with one try more."""
    tries, stored = dict.fromkeys(range(AT_ONCE), 0), set[int]()
    deaths = 0
    while tries[place] < TRIES:
        backlog = Backlog()
        for tag in sorted(tries.keys() - stored):
            assert tag == place or tries[tag] < TRIES, "a healthy chunk became a dead letter"
            backlog.add(delivery(tag, tries=tries[tag]))
        while place not in (taken := tags(backlog.take(0))):
            stored |= set(taken)
        deaths += 1
        for tag in tries.keys() - stored:
            tries[tag] += 1
    assert deaths == TRIES
    assert stored == tries.keys() - {place}


def test_what_storage_is_not_there_for_waits_longer_each_time(backlog):
    one, now_s, waits = delivery(1), 100.0, []
    for _ in range(8):
        backlog.defer(one, now_s)
        waits.append(backlog.wait_s(now_s))
        assert backlog.take(now_s) == []
        now_s += waits[-1]
        assert backlog.take(now_s) == [one]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, LONGEST_DELAY_S, LONGEST_DELAY_S]


def test_what_waits_for_storage_holds_up_no_other(backlog):
    backlog.defer(delivery(1), 0)
    backlog.add(delivery(2))
    assert tags(backlog.take(0)) == [2]
