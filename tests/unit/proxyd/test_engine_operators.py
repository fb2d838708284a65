from uuid import UUID

import pytest

from control.errors import UnreachableError
from control.requests import AskStatus, ListSessions, Status
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


async def test_everything_else_is_a_matter_of_the_control_node():
    operators = EngineOperators(lambda: STATUS)
    with pytest.raises(UnreachableError, match="run this on the control node"):
        next(operators.carry_out(ListSessions(), "root"))
    with pytest.raises(UnreachableError, match="run this on the control node"):
        await anext(operators.follow(UUID(int=7)))
