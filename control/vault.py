"""The vault: target credentials under envelope encryption.

Each secret has a data key of its own (AES-256-GCM). The secret's id and version are
authenticated with the ciphertext, so one row's credential cannot be put into another
row, nor an old one be put back. The data key is wrapped by the master key: rotating
that one re-wraps the data keys and re-encrypts nothing.

The pepper of the proxy credentials is a key of its own, wrapped the same way, so that
it survives a rotation.

INVARIANT: every wrapped key in the database is wrapped by one and the same master key.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import TargetCredential
from config.errors import ConfigError
from control.audit import Act
from control.errors import IntegrityError
from control.master_key import KEY_BYTES, MasterKey, MasterKeyFile
from storage.database import Database
from storage.tables import KeyRow, SecretRow

PEPPER = "pepper"
_NONCE_BYTES = 12
"""96 bits, random; a data key encrypts once, so no nonce can meet itself."""


class Sealed(Struct, frozen=True, kw_only=True):
    """A credential as a row holds it."""

    sealed: bytes
    wrapped_key: bytes
    master_key_id: str


class Vault:
    """Seals and opens target credentials. May be used from any thread."""

    def __init__(self, file: MasterKeyFile, master_key: MasterKey, pepper: bytes) -> None:
        self._file = file
        self._master_key = master_key
        self._pepper = pepper

    @property
    def key_path(self) -> Path:
        """Where the master key was read from."""
        return self._file.path

    def seal(self, secret_id: UUID, version: int, credential: TargetCredential) -> Sealed:
        """Return `credential` sealed for one version of one secret.

        Call it inside the transaction that stores the result: a rotation waits for that
        one, and so misses no row.
        """
        data_key = secrets.token_bytes(KEY_BYTES)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plaintext = msgspec.msgpack.encode(credential)
        ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, _bound_to(secret_id, version))
        return Sealed(
            sealed=nonce + ciphertext,
            wrapped_key=self._master_key.wrap(data_key),
            master_key_id=self._master_key.id,
        )

    def open(self, row: SecretRow) -> TargetCredential:
        """Return the credential of `row`; raise `IntegrityError` where it was altered.

        Call it inside the transaction that read the row.
        """
        data_key = self._master_key.unwrap(row.wrapped_key)
        nonce, ciphertext = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
        try:
            plaintext = AESGCM(data_key).decrypt(
                nonce, ciphertext, _bound_to(row.id, row.version)
            )
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                f"the credential of secret `{row.name}` was altered in the database: enter it "
                f"again with `proxyd secret edit {row.name}` and find out who wrote there"
            ) from error
        return msgspec.msgpack.decode(plaintext, type=TargetCredential)

    def keep(self, session: Session, name: str, secret: bytes) -> None:
        """Store a key of the node itself, wrapped; a rotation wraps it anew."""
        master_key = self._master_key
        wrapped = master_key.wrap(secret)
        session.add(KeyRow(name=name, wrapped=wrapped, master_key_id=master_key.id))

    def kept(self, session: Session, name: str) -> bytes | None:
        """Return a key that was kept; raise `IntegrityError` where it was altered."""
        row = session.get(KeyRow, name)
        return None if row is None else self._master_key.unwrap(row.wrapped)

    def mac(self, proof: bytes) -> bytes:
        """Return what the database keeps of a proxy credential: HMAC-SHA256 of its proof."""
        return hmac.digest(self._pepper, proof, hashlib.sha256)

    def rotate(self, database: Database, act: Act) -> tuple[str, int]:
        """Wrap every key with a new master key; return its id and how many were wrapped.

        Raises `ConflictError` where the key's file is not ours to write.
        """
        old = self._master_key
        successor = self._file.read_successor() or self._file.make_successor()
        try:
            with database.transaction() as session:
                rewrapped = _rewrap(session, old, successor)
                act.note(session, "master_key.rotated", successor.id, f"from {old.id}")
                # Inside the transaction: whoever writes next finds the key that counts.
                self._master_key = successor
        except BaseException:
            self._master_key = old
            raise
        self._file.promote_successor()
        return successor.id, rewrapped


def create_pepper(session: Session, master_key: MasterKey) -> None:
    """Store a new pepper."""
    wrapped = master_key.wrap(secrets.token_bytes(KEY_BYTES))
    session.add(KeyRow(name=PEPPER, wrapped=wrapped, master_key_id=master_key.id))


def open_vault(database: Database, file: MasterKeyFile) -> Vault:
    """Return the vault, finishing or undoing a rotation that was cut short.

    Raises `ConfigError` where the master key is not the one that the database needs.
    """
    with database.read() as session:
        row = session.get(KeyRow, PEPPER)
    if row is None:
        raise ConfigError(
            f"the vault in the {database.place} was never set up: run `proxyd init` first"
        )
    master_key = _settle(file, row.master_key_id)
    return Vault(file, master_key, master_key.unwrap(row.wrapped))


def _settle(file: MasterKeyFile, needed_id: str) -> MasterKey:
    successor = file.read_successor()
    if successor is not None and successor.id == needed_id:
        file.promote_successor()
        return successor
    master_key = file.read()
    if master_key.id != needed_id:
        raise ConfigError(
            f"the database was sealed with master key {needed_id}, and {file.path} holds "
            f"{master_key.id}: restore the key that belongs to this database"
        )
    if successor is not None:
        file.drop_successor()
    return master_key


def _rewrap(session: Session, old: MasterKey, new: MasterKey) -> int:
    keys = list(session.scalars(select(KeyRow)))
    for key in keys:
        key.wrapped = new.wrap(old.unwrap(key.wrapped))
        key.master_key_id = new.id
    rows = list(session.scalars(select(SecretRow)))
    for row in rows:
        row.wrapped_key = new.wrap(old.unwrap(row.wrapped_key))
        row.master_key_id = new.id
    return len(keys) + len(rows)


def _bound_to(secret_id: UUID, version: int) -> bytes:
    return secret_id.bytes + version.to_bytes(8, "big")
