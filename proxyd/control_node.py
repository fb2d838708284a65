"""The role `control`: vault, users, grants and the operators' socket, on a broker.

It is ready when the broker is connected and operators can come. SQLite has one writer, so
where it is the database this process stores the recordings as well.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from bus.amqp import Broker
from bus.dead_letters import DeadLetters
from bus.rabbitmq_control import RabbitControlBus
from config.model import Settings
from control.audit_export import AuditExport
from control.node_requests import Status
from control.operations import Operations
from control.proofs import Proofs
from control.silence import follow_silence
from control.storage_keys import StorageKeys
from proxyd import broker, logs
from proxyd.consuming import Consuming
from proxyd.control import (
    Control,
    Stored,
    control_trust,
    export_heads,
    opened_database,
    opened_vault,
    storage_trust,
)
from proxyd.metrics import Metrics, watch
from proxyd.surroundings import held, measuring
from proxyd.worker import Worker
from recorder.clock import SystemClock
from recorder.session_info import TargetProtocol

ROLE: Final = "control"


class ControlNode:
    """A `proxyd.service.Node` of a control node."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._clock = SystemClock()
        self._control: Control | None = None
        self._bus: RabbitControlBus | None = None
        self._brokers: list[Broker] = []
        self._worker: Worker | None = None
        self._consuming: Consuming | None = None
        self._export: AuditExport | None = None
        self._master_key = ""
        self.metrics = Metrics()
        self.operations: Operations | None = None
        """What operators ask for; there once the node has started."""

    async def serve(self, started: Callable[[], None]) -> None:
        """Connect, then answer engines and operators until cancelled."""
        settings = self._settings
        async with held(settings.state_dir), contextlib.AsyncExitStack() as stack:
            database = stack.enter_context(opened_database(settings))
            vault = opened_vault(settings, database)
            self._master_key = str(vault.key_path)
            trust = control_trust(settings, database, self._clock)
            self._brokers = [broker.connection(settings, ROLE) for _ in range(2)]
            ours, of_letters = self._brokers
            bus = RabbitControlBus(
                ours,
                trust.identity,
                settings.bus.sites,
                settings.bus.answer_timeout_s,
            )
            control = Control(settings, database, vault, bus, trust, self._clock)
            self._control, self._bus = control, bus
            keys = StorageKeys(database, vault)
            storage = storage_trust(database, keys, self._clock)
            self._worker = worker = Worker(settings, database, self._clock, self.metrics, keys)
            await stack.enter_async_context(bus)
            self._export = export = AuditExport(settings.audit, database, self._clock)
            watch(self.metrics.audit_unexported_seconds, export.unexported_s)
            await stack.enter_async_context(
                measuring(self.metrics, settings.metrics.listen, self._not_ready)
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(export.run())
                lost_after_s = settings.control.session_lost_after_s
                tasks.create_task(follow_silence(database, lost_after_s, self._clock))
                if stores_itself(settings):
                    self._consuming = Consuming(settings, worker, storage)
                    tasks.create_task(worker.run())
                    tasks.create_task(self._consuming.run())
                    await self._consuming.connected.wait()
                watch(self.metrics.bus_connected, lambda: bus.wires.are_up)
                await bus.wires.wait_up()
                letters = DeadLetters(of_letters, settings.bus.sites)
                proofs = Proofs(database, keys, self._clock, settings.proof.tree_head_dir)
                tasks.create_task(export_heads(proofs))
                stored = Stored(
                    search=worker.search,
                    chunks=worker.chunks,
                    playback=worker.playback,
                    proofs=proofs,
                    retention=worker.retention,
                )
                self.operations = control.operations(
                    stored, keys, self.tell, _ports(settings), letters
                )
                await control.serve_operators(
                    self.operations, stored, keys, self._not_ready, started
                )

    async def drain(self) -> None:
        """Nothing: sessions are on engines, and go on."""

    def reload(self) -> None:
        """Read log level, certificate, and what the broker is reached with; not the rest."""
        settings = self._reread()
        consuming = [] if self._consuming is None else [self._consuming.broker]
        broker.reread(settings, *self._brokers, *consuming)
        logs.set_up(settings.log_level)
        if self._control is not None:
            self._control.page.reload()

    def status(self) -> str:
        """Say in one line how it is."""
        if self._control is None or self._bus is None:
            return "starting"
        if not self._bus.wires.are_up:
            return "the broker is out of reach"
        return f"{len(self._control.heartbeats.fresh())} engines"

    def tell(self) -> Status:
        """Say how the node is, for operators. Blocks: it asks the database."""
        heard = self._control.heartbeats.fresh() if self._control else ()
        return Status(
            running=True,
            version=version("proxyd"),
            role=ROLE,
            pid=os.getpid(),
            live_sessions=sum(one.live_sessions for one in heard),
            spool_bytes=sum(one.spool_bytes for one in heard),
            unshipped_chunks=sum(one.unshipped_chunks for one in heard),
            unindexed_chunks=self._worker.unindexed_chunks() if self._worker else 0,
            listening={},
            problems=tuple(self._problems()),
            master_key=self._master_key,
            engines=tuple(sorted(f"{one.engine_id} at {one.site}" for one in heard)),
        )

    def _not_ready(self) -> list[str]:
        if self._bus is None:
            return ["it is starting"]
        return [] if self._bus.wires.are_up else ["the broker is out of reach"]

    def _problems(self) -> list[str]:
        """Return what an operator should look after."""
        problems = []
        if self._export is not None and self._export.problem:
            problems.append(f"the audit trail does not reach syslog: {self._export.problem}")
        if self._bus is not None and not self._bus.wires.are_up:
            problems.append("the broker is out of reach: engines get no answers")
        if self._consuming is not None and self._consuming.dead_letters:
            problems.append(
                f"{self._consuming.dead_letters} chunks are dead letters: see "
                "`proxyd bus dead-letters list`"
            )
        if self._control is not None:
            problems += [
                f"engine {one.engine_id} at {one.site} has fallen silent"
                for one in self._control.heartbeats.silent()
            ]
        return problems


def stores_itself(settings: Settings) -> bool:
    """Say whether control has to be the storage worker, too."""
    return settings.database_url.startswith("sqlite")


def _ports(settings: Settings) -> dict[TargetProtocol, int]:
    """Where users reach engines: as this node's settings say, for it has no gateway."""
    listen = settings.ssh.listen
    return {TargetProtocol.SSH: int(listen[0].rpartition(":")[2])} if listen else {}
