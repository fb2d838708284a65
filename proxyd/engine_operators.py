"""What operators may ask an engine's own node: how it is. Everything else is control's."""

from collections.abc import AsyncIterator, Callable, Iterator
from uuid import UUID

from control.answers import Result
from control.errors import UnreachableError
from control.node_requests import AskStatus, Status
from control.requests import OperatorRequest


class EngineOperators:
    """A `control.ports.CarriesOut` of a node without database or vault."""

    def __init__(self, tell: Callable[[], Status]) -> None:
        self._tell = tell

    def carry_out(self, request: OperatorRequest, who: str) -> Iterator[Result]:
        """Yield the status; raise `UnreachableError` for whatever else is asked."""
        if not isinstance(request, AskStatus):
            raise _ask_control()
        yield self._tell()

    def follow(self, session_id: UUID) -> AsyncIterator[bytes]:
        """Refuse: an engine cannot read what it records."""
        raise _ask_control()


def _ask_control() -> UnreachableError:
    return UnreachableError(
        "this node is an engine and tells its status alone: run this on the control node"
    )
