"""The role `all`: engine, storage worker and control in one process, on the in-process bus."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Final

import structlog

from bus.memory import MemoryBus
from config.errors import ConfigError
from config.model import Settings
from control import engines
from control.audit import Act
from control.errors import ControlError
from control.operations import Operations
from control.requests import Status
from control.state_dir import usable_host_keys
from proxyd import logs
from proxyd.control import (
    Control,
    control_trust,
    credentials_dir,
    held,
    opened_database,
    opened_vault,
)
from proxyd.engine import Engine
from proxyd.engine_trust import EngineKeys, engine_id
from proxyd.metrics import Metrics, MetricsServer
from proxyd.service import listen_error
from proxyd.worker import Worker
from recorder.clock import SystemClock
from storage.blobs import open_blobs
from storage.database import Database, supported_url
from storage.errors import UnsupportedStoreError

ROLE: Final = "all"
MEMORY: Final = "memory:"

_log = structlog.get_logger()


def check_bus(role: str, url: str) -> None:
    """Raise `ConfigError` where `role` cannot run on this bus."""
    if url != MEMORY:
        raise ConfigError(
            f'bus.url: {url.partition(":")[0]}: is no bus of this version; set "memory:" and '
            "start `proxyd run`, which is every role in one process"
        )
    if role != ROLE:
        raise ConfigError(
            f'bus.url: "memory:" joins roles within one process, so `proxyd run {role}` would '
            "talk to nobody: start `proxyd run`, which is every role"
        )


def check_kinds(settings: Settings) -> None:
    """Raise `ConfigError` where a URL names what this version lacks. Opens nothing."""
    check_bus(ROLE, settings.bus.url)
    try:
        supported_url(settings.database_url)
        open_blobs(settings.blobs.url)
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error


class WholeNode:
    """A `proxyd.service.Node` of every role."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._clock = SystemClock()
        self._engine: Engine | None = None
        self._worker: Worker | None = None
        self._master_key = ""
        self.metrics = Metrics()
        self.operations: Operations | None = None
        """What operators ask for; there once the node has started."""

    async def serve(self, started: Callable[[], None]) -> None:
        """Start every role, and serve until cancelled."""
        settings = self._settings
        if settings.rdp.listen:
            _log.info("gateway.absent", protocol="rdp", listen=settings.rdp.listen)
        async with held(settings.state_dir), contextlib.AsyncExitStack() as stack:
            database = stack.enter_context(opened_database(settings))
            vault = opened_vault(settings, database)
            self._master_key = str(vault.key_path)
            asker = engine_id(settings.state_dir)
            bus = await stack.enter_async_context(
                MemoryBus(settings.bus.answer_timeout_s, asker)
            )
            self._admit(database, asker)
            trust = control_trust(settings, database, self._clock)
            control = Control(settings, database, vault, bus, trust, self._clock)
            self._worker = worker = Worker(settings, database, self._clock, self.metrics)
            bus.store(worker.store)
            host_keys = usable_host_keys(settings.state_dir)
            self._engine = engine = Engine(settings, bus, self._clock, host_keys, self.metrics)
            await stack.enter_async_context(self._measuring())
            listening = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(worker.run())
                tasks.create_task(engine.serve(listening.set))
                await listening.wait()
                self.operations = control.operations(
                    worker.search, worker.chunks, self.tell, engine.ports
                )
                await control.serve_operators(self.operations, started)

    def _admit(self, database: Database, name: str) -> None:
        """Enrol the engine of this process, which needs no operator for it."""
        keys = EngineKeys(self._settings.state_dir, credentials_dir())
        try:
            with database.transaction() as session:
                act = Act("proxyd", self._clock.now())
                site, key = self._settings.site, keys.signing_public
                engines.admit_local(session, name, site, key, act)
        except ControlError as error:
            raise ConfigError(str(error)) from error

    async def drain(self) -> None:
        """Stop listening, tell users, end sessions, seal, ship. What is not indexed waits."""
        if self._engine is not None:
            await self._engine.drain()

    def reload(self) -> None:
        """Read the log level again; every other setting waits for a restart."""
        logs.set_up(self._reread().log_level)

    def status(self) -> str:
        """Say in one line how it is."""
        if self._engine is None:
            return "starting"
        sessions = len(self._engine.gateway.live_sessions)
        return f"{sessions} sessions, {self._engine.spool.unshipped_chunks} chunks to store"

    def tell(self) -> Status:
        """Say how the node is, for operators. Blocks: it asks the database."""
        engine, worker = self._engine, self._worker
        return Status(
            running=True,
            version=version("proxyd"),
            role=ROLE,
            pid=os.getpid(),
            live_sessions=len(engine.gateway.live_sessions) if engine else 0,
            spool_bytes=engine.spool.used_bytes if engine else 0,
            unshipped_chunks=engine.spool.unshipped_chunks if engine else 0,
            unindexed_chunks=worker.unindexed_chunks() if worker else 0,
            listening={"ssh": engine.listening} if engine else {},
            problems=tuple(_problems(engine)) if engine else (),
            master_key=self._master_key,
        )

    @contextlib.asynccontextmanager
    async def _measuring(self) -> AsyncIterator[None]:
        """Serve the metrics, where a listener is set."""
        address = self._settings.metrics.listen
        if not address:
            yield
            return
        host, _, port = address.rpartition(":")
        server = MetricsServer(self.metrics, host.strip("[]"), int(port))
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(server.listening())
            except OSError as error:
                raise listen_error("metrics.listen", address, error) from error
            yield


def _problems(engine: Engine) -> list[str]:
    """Return what an operator should look after."""
    problems = []
    if engine.shipper.unreachable_s:
        problems.append(f"nothing could be stored for {engine.shipper.unreachable_s:.0f} s")
    if engine.spool.full:
        problems.append("the spool is full: sessions wait or end, new ones are refused")
    if engine.recorders.losses:
        problems.append(f"{engine.recorders.losses} recordings lost or with a gap: see the log")
    return problems
