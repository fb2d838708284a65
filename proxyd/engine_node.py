"""The role `engine`: gateway, recorder and spool on a node of its own. No database, no vault.

It is ready when it listens and control has heard of it. Where the bus is away it comes up all
the same: what is recorded waits in the spool, and the status says so. Only its first start
needs the bus, to learn the recording key.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable

import structlog

from bus.rabbitmq import EngineAddress, RabbitEngineBus
from config.errors import ConfigError
from config.model import Settings
from proxyd import broker, logs
from proxyd.engine import Engine, EngineKeys
from proxyd.engine_trust import EnginePrivateKeys, EngineTrust, TrustFile, engine_id
from proxyd.gateways import usable_keys
from proxyd.metrics import Metrics, watch
from proxyd.surroundings import credentials_dir, held, measuring
from recorder.clock import SystemClock
from recorder.errors import RecorderError
from recorder.self_test import self_test

_log = structlog.get_logger()


class EngineNode:
    """A `proxyd.service.Node` of an engine alone."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._clock = SystemClock()
        self._engine: Engine | None = None
        self._bus: RabbitEngineBus | None = None
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
            bus = RabbitEngineBus(
                broker.connection(settings, name),
                trust.identity,
                EngineAddress(site=settings.site, engine_id=name),
                settings.bus.answer_timeout_s,
            )
            self._bus = bus
            watch(self.metrics.bus_connected, lambda: bus.wires.are_up)
            await stack.enter_async_context(bus)
            await trust.learn(bus)
            _test(trust, self._clock.now())
            keys = EngineKeys(gateways=gateway_keys, sealing=trust)
            self._engine = engine = Engine(settings, bus, self._clock, keys, self.metrics)
            await stack.enter_async_context(
                measuring(self.metrics, settings.metrics.listen, self._not_ready)
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(trust.follow(bus))
                tasks.create_task(engine.serve(started))

    async def drain(self) -> None:
        """Stop listening, tell users, end sessions, seal, ship."""
        self._draining = True
        if self._engine is not None:
            await self._engine.drain()

    def reload(self) -> None:
        """Read the log level again; every other setting waits for a restart."""
        logs.set_up(self._reread().log_level)

    def _not_ready(self) -> list[str]:
        if self._draining:
            return ["it is stopping"]
        if self._engine is None or self._bus is None:
            return ["it is starting"]
        away = [] if self._bus.wires.are_up else ["the broker is out of reach: no logins"]
        return away + self._engine.not_ready()

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
