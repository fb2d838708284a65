"""Blobs that no row names: put ahead of a transaction that never committed.

INVARIANT: nothing here is deleted unasked. After an older database was restored, such blobs
are the only copy of what came later.
"""

import datetime as dt
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from sqlalchemy import select

from recorder.ports import Clock
from storage.blobs import BlobStore
from storage.database import Database
from storage.tables import ChunkRow

_AT_ONCE: Final = 500
_OURS: Final = re.compile(
    r"(?:[^/]+/)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/\d{8,}-[0-9a-f]{16}"
    r"(?:\.\d+-[0-9a-f]+\.new)?"
)
"""How the writer names a blob, and a file that it did not finish. The rest is not ours."""


class Orphans:
    """Looks through the blob store. Every method raises `StorageUnavailableError`."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def find(self, days: int) -> Iterator[str]:
        """Yield the names of blobs without a row that are older than `days`.

        A younger one may belong to a transaction that is about to commit.
        """
        before = self._clock.now() - dt.timedelta(days=days)
        found = (key for key in self._blobs.keys_before(before) if _OURS.fullmatch(key))
        while some := list(islice(found, _AT_ONCE)):
            with self._database.read() as session:
                query = select(ChunkRow.blob).where(ChunkRow.blob.in_(some))
                named = set(session.scalars(query))
            yield from (key for key in some if key not in named)

    def delete(self, days: int) -> Iterator[str]:
        """Delete what `find` finds; yield the name of each when it is gone."""
        found = self.find(days)
        while some := list(islice(found, _AT_ONCE)):
            self._database.write(partial(self._blobs.delete, keys=some))
            yield from some
