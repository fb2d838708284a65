"""Whatever knocks and leaves, the counts stay true and the memory stays small."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import admission
from protocols.admission import Admission, Admitted, Departure

SOURCES = st.sampled_from(
    [f"192.0.2.{last}" for last in range(12)] + ["2001:db8::1", "nowhere"]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "authenticated", "left"]),
        SOURCES,
        st.sampled_from(list(Departure)),
        st.floats(0, 40),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 1 << 16),
    ),
    max_size=200,
)


@pytest.fixture(autouse=True, scope="module")
def few_tracked_sources():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "TRACKED_SOURCES", 4)
        yield


@settings(deadline=None)
@given(STEPS)
def test_counts_are_never_negative_and_memory_is_bounded(steps):
    door, tickets, now_s = Admission("2:50:6"), [], 0.0
    waiting: set[int] = set()
    for step, source, how, pause_s, roll, pick in steps:
        now_s += pause_s
        if step == "admit":
            answer = door.admit(source, now_s, roll)
            if isinstance(answer, Admitted):
                waiting.add(len(tickets))
                tickets.append(answer)
        elif tickets:
            which = pick % len(tickets)
            waiting.discard(which)
            if step == "left":
                door.left(tickets[which], how, now_s)
            else:
                door.authenticated(tickets[which])
        assert door.waiting == len(waiting) <= 2 * 6
        assert all(count > 0 for count in door._waiting.values())
        for family in door._families.values():
            assert len(family._by_source) <= 4
            assert len(family._ends) <= 9
