"""The role `engine`: gateway, recorder and spool on a node of its own. No database, no vault.

It is ready when it listens and control has heard of it. Where the bus is away it comes up all
the same: what is recorded waits in the spool, and the status says so. Only its first start
needs the bus, to learn the recording key.
"""

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

import structlog

from bus.amqp import Broker
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from config.errors import ConfigError
from config.model import Settings
from control.node_requests import Status
from control.operator_socket import OperatorSocket
from proxyd import broker, logs
from proxyd.engine import Engine, EngineKeys
from proxyd.engine_operators import EngineOperators
from proxyd.engine_trust import EnginePrivateKeys, EngineTrust, TrustFile, engine_id
from proxyd.gateways import usable_keys
from proxyd.metrics import Metrics, watch
from proxyd.surroundings import credentials_dir, held, measuring
from recorder.clock import SystemClock
from recorder.errors import RecorderError
from recorder.self_test import self_test

ROLE: Final = "engine"

_log = structlog.get_logger()


class EngineNode:
    """A `proxyd.service.Node` of an engine alone."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._clock = SystemClock()
        self._engine: Engine | None = None
        self._bus: RabbitEngineBus | None = None
        self._brokers: list[Broker] = []
        self._draining = False
        self.metrics = Metrics()

    async def serve(self, started: Callable[[], None]) -> None:
        """Recover the spool, listen, and serve until cancelled."""
        settings = self._settings
        async with held(settings.state_dir), contextlib.AsyncExitStack() as stack:
            gateway_keys = usable_keys(settings, self._clock.now())
            name = engine_id(settings.state_dir)
            private = EnginePrivateKeys(settings.state_dir, credentials_dir())
            trust = EngineTrust(name, private, TrustFile(settings.state_dir), self._clock)
            self._brokers = [broker.connection(settings, name)]
            bus = RabbitEngineBus(
                self._brokers[0],
                trust.identity,
                EngineAddress(site=settings.site, engine_id=name),
                settings.bus.answer_timeout_s,
            )
            self._bus = bus
            watch(self.metrics.bus_connected, lambda: bus.wires.are_up)
            await stack.enter_async_context(bus)
            await trust.learn(bus)
            _test(trust, self._clock.now())
            keys = EngineKeys(gateways=gateway_keys, sealing=trust, unseal=private.unseal)
            self._engine = engine = Engine(settings, bus, self._clock, keys, self.metrics)
            await stack.enter_async_context(
                measuring(self.metrics, settings.metrics.listen, self._not_ready)
            )
            async with asyncio.TaskGroup() as tasks:
                operators = EngineOperators(self.tell)
                socket = OperatorSocket(settings.state_dir, operators, operators.follow)
                await stack.enter_async_context(socket.serving())
                tasks.create_task(trust.follow(bus))
                tasks.create_task(engine.serve(started))

    async def drain(self) -> None:
        """Stop listening, tell users, end sessions, seal, ship."""
        self._draining = True
        if self._engine is not None:
            await self._engine.drain()

    def reload(self) -> None:
        """Read the log level, and what the broker is reached with; the rest wants a restart."""
        settings = self._reread()
        broker.reread(settings, *self._brokers)
        logs.set_up(settings.log_level)

    def _not_ready(self) -> list[str]:
        if self._draining:
            return ["it is stopping"]
        if self._engine is None or self._bus is None:
            return ["it is starting"]
        away = [] if self._bus.wires.are_up else ["the broker is out of reach: no logins"]
        return away + self._engine.not_ready()

    def tell(self) -> Status:
        """Say how the node is, for operators on this machine."""
        engine, bus = self._engine, self._bus
        assert engine is not None  # noqa: S101 - there before anybody can ask
        assert bus is not None  # noqa: S101 - the same
        return Status(
            running=True,
            version=version("proxyd"),
            role=ROLE,
            pid=os.getpid(),
            live_sessions=len(engine.gateways.live_sessions),
            spool_bytes=engine.spool.used_bytes,
            unshipped_chunks=engine.spool.unshipped_chunks,
            unindexed_chunks=0,
            listening=engine.listening,
            problems=tuple(self._not_ready()),
            engine=engine.id,
            site=self._settings.site,
            broker=bus.wires.are_up,
            unreachable_s=engine.unreachable_s,
            last_receipt_at=engine.last_receipt_at,
        )

    def status(self) -> str:
        """Say in one line how it is."""
        engine, bus = self._engine, self._bus
        if engine is None or bus is None:
            return "starting"
        said = (
            f"{len(engine.gateways.live_sessions)} sessions, "
            f"{engine.spool.unshipped_chunks} chunks to ship"
        )
        if not bus.wires.are_up:
            return f"the broker is out of reach; {said}"
        if engine.unreachable_s:
            return f"storage has not answered for {engine.unreachable_s:.0f} s; {said}"
        return said


def _test(trust: EngineTrust, now: dt.datetime) -> None:
    """Raise `ConfigError` where nothing may be recorded with these keys."""
    try:
        self_test(trust, now)
    except RecorderError as error:
        raise ConfigError(f"recordings cannot be sealed: {error}") from error
