"""The role `all`: engine, storage worker and control in one process, on the in-process bus."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

import structlog

from bus.memory import MemoryBus
from config.errors import ConfigError
from config.model import Settings
from control import engines
from control.audit import Act
from control.audit_export import AuditExport
from control.errors import ControlError
from control.node_requests import Status
from control.operations import Operations
from control.proofs import Proofs
from control.storage_keys import StorageKeys
from proxyd import logs
from proxyd.control import (
    Control,
    Stored,
    control_trust,
    export_heads,
    opened_database,
    opened_vault,
)
from proxyd.engine import Engine, EngineKeys
from proxyd.engine_trust import engine_id
from proxyd.gateways import usable_keys
from proxyd.metrics import Metrics, watch
from proxyd.sealing_keys import LocalSealingKeys, local_sealing_keys, signing_key_file
from proxyd.surroundings import credentials_dir, held, measuring
from proxyd.worker import Worker
from recorder.clock import SystemClock
from storage.database import Database

ROLE: Final = "all"

_log = structlog.get_logger()


class WholeNode:
    """A `proxyd.service.Node` of every role."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._clock = SystemClock()
        self._engine: Engine | None = None
        self._worker: Worker | None = None
        self._control: Control | None = None
        self._export: AuditExport | None = None
        self._master_key = ""
        self._draining = False
        self.metrics = Metrics()
        self.operations: Operations | None = None
        """What operators ask for; there once the node has started."""

    async def serve(self, started: Callable[[], None]) -> None:
        """Start every role, and serve until cancelled."""
        settings = self._settings
        async with held(settings.state_dir), contextlib.AsyncExitStack() as stack:
            database = stack.enter_context(opened_database(settings))
            vault = opened_vault(settings, database)
            self._master_key = str(vault.key_path)
            asker = engine_id(settings.state_dir)
            bus = await stack.enter_async_context(
                MemoryBus(settings.bus.answer_timeout_s, asker)
            )
            self._admit(database, asker)
            keys = StorageKeys(database, vault)
            sealing = self._sealing_keys(database, keys)
            trust = control_trust(settings, database, self._clock)
            control = Control(settings, database, vault, bus, trust, self._clock)
            self._control = control
            self._worker = worker = Worker(settings, database, self._clock, self.metrics, keys)
            bus.store(worker.store)
            gateway_keys = usable_keys(settings, self._clock.now())
            engine_keys = EngineKeys(gateways=gateway_keys, sealing=sealing)
            self._engine = engine = Engine(
                settings, bus, self._clock, engine_keys, self.metrics
            )
            self._export = export = AuditExport(settings.audit, database, self._clock)
            watch(self.metrics.audit_unexported_seconds, export.unexported_s)
            await stack.enter_async_context(
                measuring(self.metrics, settings.metrics.listen, self._not_ready)
            )
            listening = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(worker.run())
                tasks.create_task(export.run())
                tasks.create_task(engine.serve(listening.set))
                await listening.wait()
                proofs = Proofs(database, keys, self._clock, settings.proof.tree_head_dir)
                tasks.create_task(export_heads(proofs))
                stored = Stored(
                    search=worker.search,
                    chunks=worker.chunks,
                    playback=worker.playback,
                    proofs=proofs,
                    retention=worker.retention,
                )
                self.operations = control.operations(stored, keys, self.tell, engine.ports)
                await control.serve_operators(
                    self.operations, stored, keys, self._not_ready, started
                )

    def _admit(self, database: Database, name: str) -> None:
        """Enrol the engine of this process, which needs no operator for it."""
        try:
            with database.transaction() as session:
                act = Act("proxyd", self._clock.now())
                engines.admit_local(session, name, self._settings.site, act)
        except ControlError as error:
            raise ConfigError(str(error)) from error

    async def drain(self) -> None:
        """Stop listening, tell users, end sessions, seal, ship. What is not indexed waits."""
        self._draining = True
        if self._engine is not None:
            await self._engine.drain()

    def reload(self) -> None:
        """Read log level and certificate again; every other setting waits for a restart."""
        logs.set_up(self._reread().log_level)
        if self._control is not None:
            self._control.page.reload()

    def status(self) -> str:
        """Say in one line how it is."""
        if self._engine is None:
            return "starting"
        sessions = len(self._engine.gateways.live_sessions)
        return f"{sessions} sessions, {self._engine.spool.unshipped_chunks} chunks to store"

    def tell(self) -> Status:
        """Say how the node is, for operators. Blocks: it asks the database."""
        engine, worker = self._engine, self._worker
        return Status(
            running=True,
            version=version("proxyd"),
            role=ROLE,
            pid=os.getpid(),
            live_sessions=len(engine.gateways.live_sessions) if engine else 0,
            spool_bytes=engine.spool.used_bytes if engine else 0,
            unshipped_chunks=engine.spool.unshipped_chunks if engine else 0,
            unindexed_chunks=worker.unindexed_chunks() if worker else 0,
            listening=engine.listening if engine else {},
            problems=tuple(self._problems()),
            master_key=self._master_key,
            engine=engine.id if engine else "",
            site=self._settings.site,
            unreachable_s=engine.unreachable_s if engine else 0.0,
            last_receipt_at=engine.last_receipt_at if engine else None,
        )

    def _problems(self) -> list[str]:
        problems = [] if self._engine is None else _engine_problems(self._engine)
        if self._export is not None and self._export.problem:
            problems.append(f"the audit trail does not reach syslog: {self._export.problem}")
        return problems

    def _not_ready(self) -> list[str]:
        if self._draining:
            return ["it is stopping"]
        return ["it is starting"] if self._engine is None else self._engine.not_ready()

    def _sealing_keys(self, database: Database, keys: StorageKeys) -> LocalSealingKeys:
        state_dir = self._settings.state_dir
        file = signing_key_file(state_dir, credentials_dir())
        return local_sealing_keys(file, engine_id(state_dir), database, keys, self._clock)


def _engine_problems(engine: Engine) -> list[str]:
    """Return what an operator should look after."""
    problems = []
    if engine.shipper.unreachable_s:
        problems.append(f"nothing could be stored for {engine.shipper.unreachable_s:.0f} s")
    if engine.spool.full:
        problems.append("the spool is full: sessions wait or end, new ones are refused")
    if engine.recorders.losses:
        problems.append(f"{engine.recorders.losses} recordings lost or with a gap: see the log")
    return problems
