"""Operations where no node runs: the command line opens the database itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from sqlalchemy import func, select

from config.model import Settings
from control import master_key
from control.credentials import Gateways
from control.open_database import open_database
from control.operations import ControlNode, Operations
from control.ports import LiveSessions
from control.requests import Status
from control.stored import IndexSearch, StoredChunks
from control.target_test import OneDial
from control.vault import open_vault
from recorder.clock import SystemClock
from storage.blobs import open_blobs
from storage.database import Database
from storage.reader import Reader
from storage.search import Search
from storage.tables import ChunkRow, SessionRow


@contextmanager
def open_operations(settings: Settings, live: LiveSessions) -> Iterator[Operations]:
    """Yield operations on the database of these settings; the state directory must be held.

    Raises `ConfigError` where the node was never set up.
    """
    with open_database(settings) as database:
        yield Operations(
            ControlNode(
                database=database,
                vault=open_vault(database, master_key.locate(settings, None)),
                clock=SystemClock(),
                gateways=Gateways.of(settings),
                live=live,
                search=IndexSearch(Search(database)),
                chunks=StoredChunks(Reader(database, open_blobs(settings.blobs.url))),
                tester=OneDial(settings.ssh.dial_timeout_s),
                status=lambda: _status(database),
            )
        )


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
