"""The engines' public keys, as the database knows them."""

from sqlalchemy import select

from recorder.signing import SignerKey
from storage.database import Database
from storage.tables import NodeKeyRow

SIGNING = "signing"


class StoredSigners:
    """`recorder.signing.KnownSigners`: asks each time, so that a revocation counts at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        """Return the engine's key with this id; raise `StorageUnavailableError`."""
        keys = self.of(engine_id)
        return next((key for key in keys if key.key_id == signing_key), None)

    def of(self, engine_id: str) -> list[SignerKey]:
        """Return every key that an engine ever signed with."""
        query = (
            select(NodeKeyRow)
            .where(NodeKeyRow.node == engine_id, NodeKeyRow.purpose == SIGNING)
            .order_by(NodeKeyRow.valid_from, NodeKeyRow.public_key)
        )
        with self._database.read() as session:
            return [
                SignerKey(
                    engine_id=row.node, public=row.public_key, valid_until=row.valid_until
                )
                for row in session.scalars(query)
            ]
