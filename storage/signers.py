"""The engines' public keys, as the database knows them."""

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import select

from recorder.signing import KnownSigners, SignerKey
from storage.database import Database
from storage.tables import NodeKeyRow

SIGNING = "signing"


class SignersOfMany(KnownSigners, Protocol):
    """Known signers that are asked once for many chunks."""

    def among(self, engine_ids: Collection[str]) -> KnownSigners:
        """Return what is known of these engines now; raise `StorageUnavailableError`."""
        ...


class StoredSigners:
    """A `SignersOfMany`: asks each time, so that a revocation counts at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def among(self, engine_ids: Collection[str]) -> KnownSigners:
        """Return what is known of these engines now; raise `StorageUnavailableError`."""
        return _Read(self._of(engine_ids))

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        """Return the engine's key with this id; raise `StorageUnavailableError`."""
        return self.among([engine_id]).find(engine_id, signing_key)

    def of(self, engine_id: str) -> list[SignerKey]:
        """Return every key that an engine ever signed with."""
        return self._of([engine_id])

    def _of(self, engine_ids: Collection[str]) -> list[SignerKey]:
        query = (
            select(NodeKeyRow)
            .where(NodeKeyRow.node.in_(engine_ids), NodeKeyRow.purpose == SIGNING)
            .order_by(NodeKeyRow.valid_from, NodeKeyRow.public_key)
        )
        with self._database.read() as session:
            return [
                SignerKey(
                    engine_id=row.node, public=row.public_key, valid_until=row.valid_until
                )
                for row in session.scalars(query)
            ]


class _Read:
    """Keys that were read."""

    def __init__(self, keys: list[SignerKey]) -> None:
        self._keys = {(key.engine_id, key.key_id): key for key in keys}

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        """Return the engine's key with this id."""
        return self._keys.get((engine_id, signing_key))
