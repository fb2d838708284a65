"""Builds a control node: vault, grants, operators' socket, live feeds."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct

from bus.dead_letters import DeadLetters
from bus.ports import ControlBus
from config.errors import ConfigError
from config.model import Settings
from control import master_key
from control.credentials import Gateways
from control.directory import directory_of
from control.errors import ControlError
from control.following import FollowedSessions
from control.grants import Grants
from control.heartbeats import Heartbeats
from control.live import BusLiveSessions
from control.live_desktops import LiveDesktops
from control.log_in import LogIn
from control.nt_hashes import NTLMCheck
from control.open_database import open_database
from control.operations import ControlNode, Operations
from control.operator_socket import OperatorSocket
from control.own_account import AccountRequests
from control.playback import Playback
from control.ports import ChunkReader, NodeStatus, SessionSearch
from control.proofs import Proofs
from control.rpc import EngineRequests
from control.storage_keys import StorageKeys
from control.target_test import OneDial
from control.trust import (
    ControlTrust,
    StorageTrust,
    follow_storage_key,
    locate_control_key,
)
from control.user_check import UserCheck
from control.vault import Vault, open_vault
from proxyd.metrics import NotReady
from proxyd.page import NodePage
from proxyd.service import StartError
from proxyd.surroundings import credentials_dir
from recorder.ports import Clock
from recorder.session_info import TargetProtocol
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.retention import Retention

_HEAD_INTERVAL_S: Final = 10.0
"""How late a head of the log may be: what ends within is in one."""

_WIPE_INTERVAL_S: Final = 30.0
"""How long an NT hash may outlive its credential."""

_log = structlog.get_logger()


@contextlib.contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Open the database, its schema up to date; raise `ConfigError` or `StartError`."""
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(open_database(settings, credentials_dir()))
        except ControlError as error:
            raise StartError(str(error)) from error
        yield database


def opened_vault(settings: Settings, database: Database) -> Vault:
    """Open the vault; raise `ConfigError` where the master key does not fit."""
    try:
        return open_vault(database, master_key.locate(settings, credentials_dir()))
    except ControlError as error:
        raise ConfigError(str(error)) from error


def control_trust(settings: Settings, database: Database, clock: Clock) -> ControlTrust:
    """Return who control is on the bus; raise `ConfigError` where its key cannot be used."""
    return ControlTrust(
        database, locate_control_key(settings.state_dir, credentials_dir()), clock
    )


def storage_trust(database: Database, keys: StorageKeys, clock: Clock) -> StorageTrust:
    """Return who the storage side is on the bus; raise `ConfigError` where it has no key."""
    try:
        keys.make_missing(clock.now())
        return StorageTrust(database, keys, clock)
    except ControlError as error:
        raise ConfigError(str(error)) from error


async def export_heads(proofs: Proofs) -> None:
    """Write a head of the log of sessions whenever it has grown."""
    while True:
        try:
            await asyncio.to_thread(proofs.export_head)
        except StorageUnavailableError as error:
            _log.warning("tree_head.delayed", reason=str(error))
        await asyncio.sleep(_HEAD_INTERVAL_S)


class Stored(Struct, frozen=True, kw_only=True):
    """The ways to what is stored."""

    search: SessionSearch
    chunks: ChunkReader
    playback: Playback
    proofs: Proofs
    retention: Retention


class Control:
    """What answers engines and operators. Make it on the event loop."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        vault: Vault,
        bus: ControlBus,
        trust: ControlTrust,
        clock: Clock,
    ) -> None:
        self._settings, self._database, self._vault = settings, database, vault
        self._bus, self._clock = bus, clock
        on_loss = settings.recorder.on_loss
        grace_s = settings.rdp.reconnect_grace_s
        grants = Grants(
            database, vault, clock, default_on_loss=on_loss, reconnect_grace_s=grace_s
        )
        self._trust = trust
        self.heartbeats = Heartbeats(clock)
        """Which engines are there."""
        log_in = LogIn(database, vault, clock, directory_of(settings.ldap))
        self.page = NodePage(settings, database, vault, log_in, clock)
        user_check = UserCheck(
            log_in,
            database,
            vault,
            clock,
            demands_second_factor=settings.control.require_second_factor,
        )
        self._ntlm_check = NTLMCheck(database, vault, clock, reconnect_grace_s=grace_s)
        accounts = AccountRequests(
            database, vault, clock, user_check, grants, Gateways.of(settings)
        )
        requests = EngineRequests(
            database, grants, clock, self.heartbeats, accounts, self._ntlm_check
        )
        bus.answer(requests.answer)

    def operations(
        self,
        stored: Stored,
        keys: StorageKeys,
        status: NodeStatus,
        ports: Mapping[TargetProtocol, int],
        dead_letters: DeadLetters | None = None,
    ) -> Operations:
        """Return what carries out operators' requests; `ports` are where gateways listen."""
        return Operations(
            ControlNode(
                database=self._database,
                vault=self._vault,
                control_key=self._trust.file,
                clock=self._clock,
                gateways=Gateways.of(self._settings, ports),
                live=BusLiveSessions(self._bus),
                search=stored.search,
                chunks=stored.chunks,
                proofs=stored.proofs,
                keys=keys,
                tester=OneDial(self._settings.ssh.dial_timeout_s, self._settings.rdp),
                status=status,
                retention=stored.retention,
                dead_letters=dead_letters,
            )
        )

    async def serve_operators(
        self,
        operations: Operations,
        stored: Stored,
        keys: StorageKeys,
        not_ready: NotReady,
        listening: Callable[[], None],
    ) -> None:
        """Answer operators and the page until cancelled; call `listening` once all may."""
        followed = FollowedSessions(self._bus, self._database, keys)
        desktops = LiveDesktops(followed, stored.chunks)
        socket = OperatorSocket(
            self._settings.state_dir, operations, followed.follow, desktops.pictures
        )
        with self.page.listening() as listener:
            async with socket.serving():
                listening()
                async with asyncio.TaskGroup() as tasks:
                    if listener is not None:
                        page = self.page.serve(
                            *(listener, operations, stored.playback),
                            *(followed.follow, desktops.pictures, not_ready),
                        )
                        tasks.create_task(page)
                    tasks.create_task(self._trust.run())
                    tasks.create_task(follow_storage_key(keys, self._clock))
                    tasks.create_task(self._wipe_spent())

    async def _wipe_spent(self) -> None:
        """Forget the NT hashes of credentials that have just expired, again and again."""
        while True:
            try:
                await asyncio.to_thread(self._ntlm_check.wipe_spent)
            except StorageUnavailableError as error:
                _log.warning("nt_hashes.kept", reason=str(error))
            await asyncio.sleep(_WIPE_INTERVAL_S)
