"""Where the bytes of chunks lie: what a blob store is, and the database as one.

INVARIANT: bytes are durable before the row that names them commits. A crash in between
leaves bytes without a row, which the next try writes again.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from storage.postgresql import copy_in
from storage.tables import BlobRow, Table

_BLOBS: Final = Table.metadata.tables[BlobRow.__tablename__]
_PUT: Final = insert(_BLOBS).prefix_with("OR REPLACE", dialect="sqlite")
_FORGET: Final = delete(_BLOBS).where(_BLOBS.c.key.in_(bindparam("keys", expanding=True)))


class BlobStore(Protocol):
    """Keeps bytes under keys like `site/session/number-digest`.

    What is put is put in two steps, of which each store needs one. Every method raises
    `StorageUnavailableError`.
    """

    @property
    def ahead(self) -> bool:
        """Whether `put_ahead` does anything."""
        ...

    def put_ahead(self, blobs: Mapping[str, bytes]) -> None:
        """Keep `blobs` for good, before a transaction; putting twice is harmless."""
        ...

    def put_within(self, session: Session, blobs: Mapping[str, bytes]) -> None:
        """Keep `blobs` for good by the time `session` commits."""
        ...

    def get(self, session: Session, key: str) -> bytes | None:
        """Return what was put, or None where it is gone."""
        ...

    def delete(self, session: Session, keys: Sequence[str]) -> None:
        """Forget `keys`; harmless where they are not."""
        ...

    def keys_before(self, moment: dt.datetime) -> Iterator[str]:
        """Yield the keys of what was put before `moment` and may lack a row."""
        ...


class DatabaseBlobs:
    """Blobs as rows: committed together with the row that names them."""

    ahead = False

    def put_ahead(self, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_ahead`."""

    def put_within(self, session: Session, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_within`."""
        if not blobs:
            return
        if session.get_bind().dialect.name == "postgresql":
            self.delete(session, list(blobs))
            copy_in(session, BlobRow.__tablename__, blobs)
        else:
            session.execute(_PUT, [{"key": key, "data": data} for key, data in blobs.items()])

    def get(self, session: Session, key: str) -> bytes | None:
        """See `BlobStore.get`."""
        return session.scalar(select(BlobRow.data).where(BlobRow.key == key))

    def delete(self, session: Session, keys: Sequence[str]) -> None:
        """See `BlobStore.delete`."""
        session.execute(_FORGET, {"keys": list(keys)})

    def keys_before(self, moment: dt.datetime) -> Iterator[str]:
        """See `BlobStore.keys_before`: a row of ours comes and goes with the one naming it."""
        return iter(())
