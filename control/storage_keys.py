"""The private keys of the storage side: they read recordings, and sign what it vouches for.

They lie in the database, wrapped by the master key, so that every worker has a new
recording key as soon as it is made, a backup of the database with a copy of the master key
is whole, and rotating the master key wraps them anew. Old recording keys are kept for ever:
old recordings are read with them.
"""

import datetime as dt
import threading
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from control import node_keys, succession
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
_NEXT_SIGNING = "storage-signing-next"
SIGNING_OVERLAP: Final = dt.timedelta(minutes=10)
"""How long engines believe the old key beside the new: workers look every few seconds which
one it is, and what they signed before may be on its way."""


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
                self._signing = self._load_signer()
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

    def refresh_signer(self) -> None:
        """Sign with another key from now on, where one took over. Blocking.

        Raises `StorageUnavailableError`, and `ControlError` where the key cannot be read.
        """
        signer = self._load_signer()
        with self._lock:
            self._signing = signer

    def announce_signing_key(self, act: Act) -> list[str]:
        """Make the next signing key and have engines told of it; return who has yet to ask.

        Twice is harmless.
        """
        with self._database.transaction() as session:
            secret = self._vault.kept(session, _NEXT_SIGNING)
            if secret is None:
                secret = SigningKey.generate()
                self._vault.keep(session, _NEXT_SIGNING, secret)
            public = SigningKey(STORAGE, secret).public
            succession.announce(session, STORAGE, public, act)
            session.flush()
            return succession.waiting_for(session, public)

    def settle_signing_key(self, act: Act) -> bool:
        """Let the announced signing key take over once every engine knows it. Blocking.

        Says whether it did. The old private key is gone then.
        """
        with self._database.read() as session:
            if session.get(KeyRow, _NEXT_SIGNING) is None:
                return False
        with self._database.transaction() as session:
            row = session.get(KeyRow, _NEXT_SIGNING, with_for_update=True)
            secret = self._vault.kept(session, _NEXT_SIGNING)
            if row is None or secret is None:
                return False
            public = SigningKey(STORAGE, secret).public
            if succession.waiting_for(session, public):
                return False
            session.execute(delete(KeyRow).where(KeyRow.name == _SIGNING))
            row.name = _SIGNING
            succession.succeed(session, STORAGE, public, act, SIGNING_OVERLAP)
        self.refresh_signer()
        return True

    def _private(self, key: str) -> RecordingPrivateKey:
        with self._lock:
            if key not in self._recording:
                self._recording[key] = self._load(key)
            return self._recording[key]

    def _load_signer(self) -> SigningKey:
        with self._database.read() as session:
            secret = self._vault.kept(session, _SIGNING)
        if secret is None:
            raise ControlError("the storage side has no key yet: run `proxyd init`")
        return SigningKey(STORAGE, secret)

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
