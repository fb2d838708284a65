"""Operations where no node runs: the command line opens the database itself."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version

from sqlalchemy import func, select

from config.model import Settings
from control import master_key
from control.credentials import Gateways
from control.errors import UnreachableError
from control.operations import ControlNode, Operations
from control.ports import LiveSessions, TargetLogin, TestedTarget
from control.requests import SearchHit, Status
from control.stored import StoredChunks
from control.vault import open_vault
from recorder.clock import SystemClock
from storage.blobs import open_blobs
from storage.database import Database
from storage.reader import Reader
from storage.tables import ChunkRow, SessionRow


@contextmanager
def open_operations(settings: Settings, live: LiveSessions) -> Iterator[Operations]:
    """Yield operations on the database of these settings; the state directory must be held.

    Raises `ConfigError` where the node was never set up.
    """
    with closing(Database(settings.database_url)) as database:
        database.migrate()
        vault = open_vault(database, master_key.locate(settings, None))
        yield Operations(
            ControlNode(
                database=database,
                vault=vault,
                clock=SystemClock(),
                gateways=Gateways.of(settings),
                live=live,
                search=_NoIndex(),
                chunks=StoredChunks(Reader(database, open_blobs(settings.blobs.url))),
                tester=_NoTester(),
                status=lambda: _status(database),
            )
        )


class _NoIndex:
    def search(self, text: str, kinds: tuple[str, ...], limit: int) -> list[SearchHit]:
        raise UnreachableError("searching needs a running node: `proxyd run`")


class _NoTester:
    def test(self, login: TargetLogin) -> TestedTarget:
        raise UnreachableError("testing a secret needs a running node: `proxyd run`")


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
