"""What the engine of this very process seals recordings with, and control's trust in it.

An engine on a machine of its own is enrolled; here nobody is in between to be doubted.
"""

import datetime as dt
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from config.errors import ConfigError
from control import node_keys
from control.errors import ControlError
from control.node_keys import Purpose
from control.signing_key import KeyFile, locate
from control.storage_keys import StorageKeys
from recorder.data_key import RecordingPublicKey
from recorder.errors import RecorderError
from recorder.ports import Clock
from recorder.self_test import self_test
from recorder.signing import SigningKey
from storage.database import Database
from storage.signers import StoredSigners
from storage.tables import NodeKeyRow

KEY_NAME: Final = "engine-signing-key"


class LocalSealingKeys:
    """`recorder.ports.SealingKeys` beside the storage side's own keys."""

    def __init__(self, signer: SigningKey, keys: StorageKeys, clock: Clock) -> None:
        self.signer = signer
        self._keys = keys
        self._clock = clock

    @property
    def recording_key(self) -> RecordingPublicKey:
        """The key of the moment; raise `RecordingKeyError`."""
        return self._keys.current_recording_key(self._clock.now())


def signing_key_file(
    state_dir: Path, credentials_dir: Path | None
) -> KeyFile[Ed25519PrivateKey]:
    """Return the place of the engine's signing key."""
    return locate(state_dir, KEY_NAME, Ed25519PrivateKey, credentials_dir)  # type: ignore[type-abstract]


def local_sealing_keys(
    file: KeyFile[Ed25519PrivateKey],
    engine_id: str,
    database: Database,
    keys: StorageKeys,
    clock: Clock,
) -> LocalSealingKeys:
    """Return the keys, made now where there are none, and proven to work.

    Finishes a rotation of the signing key. Raises `ConfigError` where nothing may be
    recorded with them.
    """
    now = clock.now()
    try:
        keys.make_missing(now)
        successor = file.read_successor()
        private = successor or file.read_or_make()
        signer = SigningKey(engine_id, private.private_bytes_raw())
        _trust(database, signer, now)
        if successor is not None:
            file.promote_successor()
        sealing = LocalSealingKeys(signer, keys, clock)
        self_test(sealing, now, StoredSigners(database), keys)
    except (ControlError, RecorderError) as error:
        raise ConfigError(f"recordings cannot be sealed: {error}") from error
    return sealing


def _trust(database: Database, signer: SigningKey, now: dt.datetime) -> None:
    """Let the key count, and those before it for as long as their chunks may be waiting."""
    with database.transaction() as session:
        node_keys.add(session, signer.engine_id, Purpose.SIGNING, signer.public, now)
        session.flush()
        session.execute(
            update(NodeKeyRow)
            .where(NodeKeyRow.node == signer.engine_id, NodeKeyRow.purpose == Purpose.SIGNING)
            .where(NodeKeyRow.public_key != signer.public, NodeKeyRow.valid_until.is_(None))
            .values(valid_until=now + node_keys.OVERLAP)
        )
