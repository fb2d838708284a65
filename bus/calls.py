"""Questions under way on the broker: each waits for its answer, so long and no longer."""

import asyncio
import secrets
from typing import Final

import pika
import structlog
from msgspec import Struct

from bus.errors import BadMessageError, BusUnavailableError
from bus.ports import Identity, Opened
from bus.publisher import properties_of
from bus.signed import nonce_of
from bus.wires import Wires

REPLY: Final = "reply"
RECEIPT: Final = "receipt"
"""What kind of message comes into an engine's replies: the property `type`."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Destination(Struct, frozen=True, kw_only=True):
    """Where a question goes, and who is to answer it."""

    exchange: str
    key: str
    audience: str
    """The identity that must have signed the answer."""
    who: str
    """The same for a person to read."""
    reply_to: str | None = None


class _Call(Struct, frozen=True):
    answered: "asyncio.Future[bytes]"
    nonce: bytes
    audience: str


class Calls:
    """Asks, and tells answers apart by their correlation ids."""

    def __init__(self, identity: Identity, wires: Wires) -> None:
        self._identity = identity
        self._wires = wires
        self._under_way: dict[str, _Call] = {}

    async def ask(self, to: Destination, body: bytes, limit_s: float) -> bytes:
        """Return the answer's body; raise `BusUnavailableError` where none comes in time."""
        if not self._wires.consumer.is_up:
            # Its answer would go to whoever consumed before us, and be waited for in vain.
            raise BusUnavailableError(
                "the broker cannot be reached at present: no answers come"
            )
        envelope = self._identity.sign(to.audience, body)
        correlation = secrets.token_hex(8)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._under_way[correlation] = _Call(answered, nonce_of(envelope), to.audience)
        properties = properties_of(
            correlation_id=correlation,
            reply_to=to.reply_to,
            # Nobody is to carry out what its asker no longer waits for.
            expiration=str(max(1, round(limit_s * 1000))),
        )
        try:
            async with asyncio.timeout(limit_s):
                await self._wires.publisher.publish(to.exchange, to.key, envelope, properties)
                return await answered
        except TimeoutError:
            raise BusUnavailableError(f"{to.who} did not answer within {limit_s:g} s") from None
        finally:
            del self._under_way[correlation]

    def came(self, properties: pika.BasicProperties, envelope: bytes) -> None:
        """Take an answer. A late one, and one that is not what it should be, is dropped."""
        call = self._under_way.get(properties.correlation_id or "")
        if call is None or call.answered.done():
            return
        try:
            opened = self._identity.open(envelope, call.nonce)
            check_issuer(opened, call.audience)
        except BadMessageError as error:
            _log.warning("message.refused", kind="answer", reason=str(error))
        else:
            call.answered.set_result(opened.body)


def check_issuer(opened: Opened, *expected: str) -> None:
    """Raise `BadMessageError` unless one of `expected` said it."""
    if opened.issuer not in expected:
        raise BadMessageError(f"{opened.issuer!r} said what {' or '.join(expected)} may say")
