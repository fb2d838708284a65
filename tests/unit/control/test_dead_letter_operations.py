import pytest

from control.audit import Act
from control.bus_requests import DiscardDeadLetters, ListDeadLetters, ReplayDeadLetters
from control.dead_letter_operations import of
from control.errors import UnreachableError


@pytest.mark.parametrize(
    "request_",
    [ListDeadLetters(), ReplayDeadLetters(), DiscardDeadLetters()],
    ids=lambda one: type(one).__name__,
)
def test_a_node_without_a_broker_says_where_to_ask(database, clock, request_):
    without = of(None, database, lambda who: Act(who, clock.now()))
    with pytest.raises(UnreachableError, match="ask the control node"):
        without.handlers()[type(request_)](request_, "me")
