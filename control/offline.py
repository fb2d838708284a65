"""Operations where no node runs: the command line opens the database itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Self

from sqlalchemy import func, select

from config.errors import ConfigError
from config.model import Settings
from control import master_key
from control.answers import Result, whole_answer
from control.credentials import Gateways
from control.errors import UnreachableError
from control.live import NoLiveSessions
from control.live_requests import LiveRequest
from control.node_requests import Status
from control.open_database import open_blob_store, open_database
from control.operations import ControlNode, Operations
from control.operator_name import operator_name
from control.ports import CarriesOut, LiveSessions
from control.proofs import Proofs
from control.requests import OperatorRequest
from control.storage_keys import StorageKeys
from control.stored import IndexSearch, StoredChunks
from control.target_test import OneDial
from control.trust import locate_control_key
from control.vault import open_vault
from control.wire import decode_request, encode_request
from recorder.clock import SystemClock
from storage.database import Database, supported_url
from storage.errors import UnsupportedStoreError
from storage.reader import Reader
from storage.retention import Retention
from storage.search import Search
from storage.tables import ChunkRow, SessionRow


def _look_for_database(settings: Settings) -> None:
    # To open it would make it: an engine's node has none, and a lost one is no empty one.
    try:
        url = supported_url(settings.database_url)
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error
    if url.drivername.startswith("sqlite") and not Path(url.database or "").exists():
        text = f"{url.database} is not there: run `proxyd init`, or restore it from a backup"
        raise ConfigError(text)


@contextmanager
def open_operations(settings: Settings, live: LiveSessions) -> Iterator[Operations]:
    """Yield operations on the database of these settings; the state directory must be held.

    Raises `ConfigError` where the node was never set up.
    """
    blobs = open_blob_store(settings)
    _look_for_database(settings)
    with open_database(settings) as database:
        vault, clock = open_vault(database, master_key.locate(settings, None)), SystemClock()
        keys = StorageKeys(database, vault)
        yield Operations(
            ControlNode(
                database=database,
                vault=vault,
                control_key=locate_control_key(settings.state_dir, None),
                clock=clock,
                gateways=Gateways.of(settings),
                live=live,
                search=IndexSearch(Search(database)),
                chunks=StoredChunks(Reader(database, blobs), keys),
                proofs=Proofs(database, keys, clock, settings.proof.tree_head_dir),
                keys=keys,
                tester=OneDial(settings.ssh.dial_timeout_s, settings.rdp),
                status=lambda: _status(database),
                retention=Retention(database, blobs, SystemClock()),
            )
        )


class InProcess:
    """Carries requests out in this process, which holds the state directory."""

    def __init__(self, operations: CarriesOut, who: str | None = None) -> None:
        self._operations = operations
        self._who = who or operator_name(os.geteuid())

    @classmethod
    @contextmanager
    def opened(cls, settings: Settings) -> Iterator[Self]:
        """Yield it, its database open; raise `ConfigError` or `ControlError`."""
        with open_operations(settings, NoLiveSessions()) as operations:
            yield cls(operations)

    def call(self, request: OperatorRequest) -> Result | list[Result]:
        """Return the result: a list for the requests in `ManyRequest`."""
        return whole_answer(request, self.stream(request))

    def stream(self, request: OperatorRequest) -> Iterator[Result]:
        """Yield the results as they come."""
        if isinstance(request, LiveRequest):
            raise UnreachableError("no proxyd is running here, so no session is live")
        # Through the codec, which checks what was given, as a node would.
        checked = decode_request(encode_request(request))
        yield from self._operations.carry_out(checked, self._who)


def _status(database: Database) -> Status:
    with database.read() as session:
        live = session.scalar(select(func.count()).where(SessionRow.state == "live"))
        unindexed = session.scalar(select(func.count()).where(ChunkRow.indexed == 0))
    return Status(
        running=False,
        version=version("proxyd"),
        role="none",
        pid=os.getpid(),
        live_sessions=live or 0,
        spool_bytes=0,
        unshipped_chunks=0,
        unindexed_chunks=unindexed or 0,
        listening={},
        problems=("no proxyd is running here; start it with `proxyd run`",),
    )
