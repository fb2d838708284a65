"""The private keys of the storage side: they read recordings, and sign what it vouches for.

They lie in the database, wrapped by the master key, so that every worker has a new
recording key as soon as it is made, a backup of the database with a copy of the master key
is whole, and rotating the master key wraps them anew. Old recording keys are kept for ever:
old recordings are read with them.
"""

import datetime as dt
import threading
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from control import node_keys
from control.audit import Act
from control.errors import ControlError
from control.node_keys import STORAGE, Purpose
from control.vault import Vault
from recorder.data_key import RecordingPrivateKey, RecordingPublicKey, WrappedKey
from recorder.errors import RecordingKeyError
from recorder.signing import SigningKey
from storage.database import Database
from storage.errors import StorageError
from storage.tables import KeyRow, NodeKeyRow

_RECORDING = "recording-{}"
_SIGNING = "storage-signing"


class StorageKeys:
    """`recorder.data_key.RecordingKeys`, and the storage side's signature. For any thread."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._lock = threading.Lock()
        self._recording: dict[str, RecordingPrivateKey] = {}
        self._signing: SigningKey | None = None

    def make_missing(self, now: dt.datetime) -> list[str]:
        """Make the keys that are not there yet; return what was made, a line each."""
        with self._database.transaction() as session:
            made = []
            if not node_keys.current(session, STORAGE, Purpose.RECORDING, now):
                key = _make_recording_key(session, self._vault, now)
                made.append(f"made the recording key {key.id}")
            if session.get(KeyRow, _SIGNING) is None:
                secret = SigningKey.generate()
                self._vault.keep(session, _SIGNING, secret)
                public = SigningKey(STORAGE, secret).public
                node_keys.add(session, STORAGE, Purpose.SIGNING, public, now)
                made.append("made the signing key of the storage side")
        return made

    def unwrap(self, session_id: UUID, wrapped: WrappedKey) -> bytes:
        """Return a session's data key; see `RecordingKeys.unwrap`."""
        return self._private(wrapped.recording_key).unwrap(session_id, wrapped)

    def current_recording_key(self, now: dt.datetime) -> RecordingPublicKey:
        """Return the key that new data keys are wrapped to; raise `RecordingKeyError`."""
        try:
            with self._database.read() as session:
                keys = node_keys.current(session, STORAGE, Purpose.RECORDING, now)
        except StorageError as error:
            raise RecordingKeyError(str(error)) from error
        if not keys:
            raise RecordingKeyError("there is no recording key: run `proxyd init`")
        return RecordingPublicKey(public=keys[-1])

    @property
    def signer(self) -> SigningKey:
        """What the storage side signs with; raise `ControlError` where there is no key."""
        with self._lock:
            if self._signing is None:
                with self._database.read() as session:
                    secret = self._vault.kept(session, _SIGNING)
                if secret is None:
                    raise ControlError("the storage side has no key yet: run `proxyd init`")
                self._signing = SigningKey(STORAGE, secret)
            return self._signing

    def rotate_recording_key(self, act: Act) -> str:
        """Make a new recording key for the sessions to come; return its id.

        The old ones stay, and read what was wrapped to them.
        """
        with self._database.transaction() as session:
            old = (NodeKeyRow.node == STORAGE) & (NodeKeyRow.purpose == Purpose.RECORDING)
            session.execute(
                update(NodeKeyRow)
                .where(old, NodeKeyRow.valid_until.is_(None))
                .values(valid_until=act.at)
            )
            key = _make_recording_key(session, self._vault, act.at)
            act.note(session, "recording_key.rotated", key.id)
        return key.id

    def _private(self, key: str) -> RecordingPrivateKey:
        with self._lock:
            if key not in self._recording:
                self._recording[key] = self._load(key)
            return self._recording[key]

    def _load(self, key: str) -> RecordingPrivateKey:
        try:
            with self._database.read() as session:
                secret = self._vault.kept(session, _RECORDING.format(key)[:32])
        except (StorageError, ControlError) as error:
            raise RecordingKeyError(str(error)) from error
        if secret is None:
            raise RecordingKeyError(
                f"the recording key {key} is not in this database, so what was recorded under "
                "it cannot be read: restore the table `keys` from a backup"
            )
        return RecordingPrivateKey(secret)


def public_keys(session: Session, node: str) -> list[NodeKeyRow]:
    """Return every signing key that a node ever had."""
    query = select(NodeKeyRow).where(
        NodeKeyRow.node == node, NodeKeyRow.purpose == Purpose.SIGNING
    )
    return list(session.scalars(query.order_by(NodeKeyRow.valid_from)))


def _make_recording_key(session: Session, vault: Vault, now: dt.datetime) -> RecordingPublicKey:
    secret = RecordingPrivateKey.generate()
    public = RecordingPrivateKey(secret).public
    vault.keep(session, _RECORDING.format(public.id), secret)
    node_keys.add(session, STORAGE, Purpose.RECORDING, public.public, now)
    return public
