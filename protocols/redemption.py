"""How a gateway has a proxy credential redeemed, whoever leaves meanwhile.

INVARIANT: a grant is a session. One whose client has gone before it could be served ends
as a session that failed; none is forgotten.
"""

import asyncio

import structlog

from bus.contract import Grant, RedeemCredential
from bus.errors import BusError
from protocols.errors import AccessDeniedError
from protocols.ports import GrantBroker
from recorder.events import EndReason

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Redemption:
    """Asks control to the end, in tasks of the gateway's."""

    def __init__(self, broker: GrantBroker, tasks: asyncio.TaskGroup) -> None:
        self._broker = broker
        self._tasks = tasks

    async def redeem(self, request: RedeemCredential) -> Grant:
        """Return the grant; raise `AccessDeniedError` or `BusUnavailableError`."""
        answer: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._tasks.create_task(self._ask(request, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and not answer.exception():
                self.abandoned(answer.result())
            raise

    def abandoned(self, grant: Grant) -> None:
        """End a session whose client has left before it was served."""
        self._tasks.create_task(self._give_back(grant))

    async def _ask(self, request: RedeemCredential, answer: asyncio.Future[Grant]) -> None:
        try:
            grant = await self._broker.redeem(request)
        except (AccessDeniedError, BusError) as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if answer.done():
                await self._give_back(grant)
            else:
                answer.set_result(grant)

    async def _give_back(self, grant: Grant) -> None:
        text = "the client left during login"
        try:
            await self._broker.session_failed(grant, EndReason.CLIENT_LEFT, text)
        except BusError as error:
            _log.warning("session.end_unsaid", error=str(error))
