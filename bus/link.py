"""One connection to the broker on the event loop, made anew whenever it is lost.

pika speaks in callbacks; here they become awaitables. A heartbeat needs 30 s to notice
that the broker is frozen or the way to it is a black hole, so each connection asks the
broker something every two seconds and is given up when no answer comes.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import pika
import pika.exceptions
import structlog
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel

from bus.errors import BusUnavailableError

PING_INTERVAL_S: Final = 2.0
PING_PATIENCE_S: Final = 5.0
"""Sessions that require their recording end after ten seconds without storage. TCP alone
would wait longer after a short interruption than the interruption took: a new connection is
quicker, so the old one is given up in time for it."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 10.0
"""Between two tries to connect, with jitter: a broker that comes back is not stormed."""
_EAGER_S: Final = 12.0
"""So long at the first delay, for the same reason."""
_CONNECT_LIMIT_S: Final = 10.0
_LEAVE_LIMIT_S: Final = 2.0
_MANY: Final = 100
_HARMLESS_EXCHANGE: Final = "amq.direct"
"""Every virtual host has it, and asking for it changes nothing and needs no permission."""

SetUp = Callable[["OpenChannel"], Awaitable[None]]
"""Declares and subscribes on a new channel; the link is up once it returns."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_jitter = random.SystemRandom()


class OpenChannel:
    """A channel whose calls are awaited. It never opens again: the link makes another."""

    def __init__(self, connection: AsyncioConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self.closed: asyncio.Future[str] = loop.create_future()
        """Is set, with the reason, when the channel or its connection is gone."""
        self.raw: Channel

    async def open(self) -> None:
        """Open it; raise `BusUnavailableError`."""
        opened = self._loop.create_future()
        self.raw = self._connection.channel(on_open_callback=partial(_set, opened))
        self.raw.add_on_close_callback(self._on_close)
        await self._first(opened)

    async def call(self, method: Callable[..., object], *args: object, **named: object) -> Any:  # noqa: ANN401 - pika's frames
        """Call `method` of the raw channel; return the broker's answer.

        Raises `BusUnavailableError` where the channel closes instead.
        """
        answered = self._loop.create_future()
        try:
            method(*args, callback=partial(_set, answered), **named)
        except pika.exceptions.AMQPError as error:
            raise BusUnavailableError(f"the broker is out of reach: {error!r}") from error
        return await self._first(answered)

    def lose(self, why: str) -> None:
        """Count the channel as closed."""
        _set(self.closed, why)

    async def _first(self, answered: "asyncio.Future[Any]") -> Any:  # noqa: ANN401
        await asyncio.wait({answered, self.closed}, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise BusUnavailableError(f"the broker closed the channel: {self.closed.result()}")
        return answered.result()

    def _on_close(self, _channel: Channel, reason: Exception) -> None:
        self.lose(said(reason))


class Link:
    """Keeps one channel open. `run` it in a TaskGroup."""

    def __init__(self, name: str, parameters: pika.ConnectionParameters, set_up: SetUp) -> None:
        self._name = name
        self._parameters = parameters
        self._set_up = set_up
        self._channel: OpenChannel | None = None
        self._up = asyncio.Event()
        self.blocked = False
        """Whether the broker takes nothing at present: its disk or memory is low."""

    @property
    def is_up(self) -> bool:
        """Whether there is a channel that can be used."""
        return self._up.is_set()

    async def wait_up(self) -> None:
        """Wait until there is a channel."""
        await self._up.wait()

    @property
    def channel(self) -> OpenChannel:
        """The channel; raise `BusUnavailableError` while there is none."""
        if self._channel is None or not self.is_up:
            raise BusUnavailableError("the broker cannot be reached at present")
        if self.blocked:
            raise BusUnavailableError(
                "the broker takes no messages: its disk or memory is low; free some there"
            )
        return self._channel

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until cancelled."""
        loop = asyncio.get_running_loop()
        lost_s, tries = loop.time(), 0
        while True:
            try:
                why = await self._live()
                lost_s, tries = loop.time(), 0
            except (BusUnavailableError, TimeoutError) as error:
                why = str(error) or "it did not answer in time"
            _log.warning(
                "bus.lost",
                connection=self._name,
                broker=f"{self._parameters.host}:{self._parameters.port}",
                reason=why,
                next_step="it is tried again; see that the broker runs and can be reached",
            )
            tries = 0 if loop.time() - lost_s < _EAGER_S else min(tries + 1, _MANY)
            delay_s = min(FIRST_DELAY_S * 1.5**tries, LONGEST_DELAY_S)
            await asyncio.sleep(_jitter.uniform(delay_s / 2, delay_s))

    # --- inside

    async def _live(self) -> str:
        """Be connected once; return why that ended."""
        closed = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            connection = await self._connect(closed)
        channel = OpenChannel(connection, asyncio.get_running_loop())
        try:
            closed.add_done_callback(lambda _: channel.lose("the connection is gone"))
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                await channel.open()
                await self._set_up(channel)
            self._channel = channel
            self._up.set()
            _log.info("bus.connected", connection=self._name)
            return await self._while_it_answers(channel)
        except asyncio.CancelledError:
            # On the way out there is time to part properly, and the loop may end soon.
            _leave(connection)
            await asyncio.wait({closed}, timeout=_LEAVE_LIMIT_S)
            raise
        finally:
            self._up.clear()
            self._channel, self.blocked = None, False
            channel.lose("the connection was given up")
            _leave(connection)

    async def _connect(self, closed: "asyncio.Future[str]") -> AsyncioConnection:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[AsyncioConnection | str] = loop.create_future()
        connection = AsyncioConnection(
            self._parameters,
            on_open_callback=lambda made: _set(opened, made),
            on_open_error_callback=lambda _made, error: _set(opened, said(error)),
            on_close_callback=lambda _made, error: _set(closed, said(error)),
            custom_ioloop=loop,
        )
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        try:
            outcome = await opened
        except asyncio.CancelledError:
            # Too late or stopped: pika drops what is only half open at once.
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()
            raise
        if isinstance(outcome, str):
            raise BusUnavailableError(outcome)
        return outcome

    async def _while_it_answers(self, channel: OpenChannel) -> str:
        while not channel.closed.done():
            try:
                async with asyncio.timeout(PING_PATIENCE_S):
                    await channel.call(
                        channel.raw.exchange_declare, _HARMLESS_EXCHANGE, passive=True
                    )
            except TimeoutError:
                if not self.blocked:
                    return f"the broker has not answered for {PING_PATIENCE_S:g} s"
            except BusUnavailableError as error:
                return str(error)
            await asyncio.wait({channel.closed}, timeout=PING_INTERVAL_S)
            while self.blocked and not channel.closed.done():
                # A broker that blocks us reads nothing, so that it cannot answer either.
                await asyncio.wait({channel.closed}, timeout=PING_INTERVAL_S)
        return channel.closed.result()

    def _on_blocked(self, _connection: object, frame: Any) -> None:  # noqa: ANN401 - pika's
        self.blocked = True
        _log.error(
            "bus.blocked",
            connection=self._name,
            reason=frame.method.reason,
            next_step="free disk or memory of the broker: recordings wait in the spool",
        )

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        self.blocked = False
        _log.info("bus.unblocked", connection=self._name)


def _leave(connection: AsyncioConnection) -> None:
    """Close. A connection that does not answer is left to its heartbeat, which ends it."""
    if connection.is_open:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def _set(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def said(error: BaseException) -> str:
    """Return what went wrong; pika wraps what happened first into what it did about it."""
    tries = getattr(error, "exceptions", ())
    inner = tries[-1] if tries else getattr(error, "exception", None)
    inner = inner or (error.args[0] if error.args else None)
    if isinstance(inner, BaseException):
        return said(inner)
    return str(error) or type(error).__name__
