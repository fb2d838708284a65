from uuid import UUID

import pytest

from control.errors import UnreachableError
from control.node_requests import AskStatus, Status
from control.requests import ListSessions
from proxyd.engine_operators import EngineOperators

STATUS = Status(
    running=True,
    version="1",
    role="engine",
    pid=7,
    live_sessions=1,
    spool_bytes=2,
    unshipped_chunks=3,
    unindexed_chunks=0,
    listening={},
)


def test_an_engine_tells_how_it_is():
    assert list(EngineOperators(lambda: STATUS).carry_out(AskStatus(), "root")) == [STATUS]


def test_everything_else_is_a_matter_of_the_control_node():
    operators = EngineOperators(lambda: STATUS)
    with pytest.raises(UnreachableError, match="run this on the control node"):
        next(operators.carry_out(ListSessions(), "root"))
    with pytest.raises(UnreachableError, match="run this on the control node"):
        operators.follow(UUID(int=7))
