"""The master key: 32 bytes that wrap every other key, and the file they live in.

It comes from the systemd credential `master-key`, from `[control] master_key_file`, or
from `master.key` in the state directory. While it is being rotated its successor lies
beside it as `….new`; which of the two counts is said by the rows they wrap, so that a
crash at any moment leaves one that fits.
"""

import hashlib
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from config.errors import ConfigError
from config.model import Settings
from config.secret import is_there
from control.errors import ConflictError, IntegrityError
from control.private_files import sync_folder, write_private

KEY_BYTES = 32
CREDENTIAL_NAME = "master-key"
"""As in `LoadCredentialEncrypted=master-key:…`."""


class MasterKey:
    """Wraps keys (AES key wrap, RFC 3394). Printing it shows its id alone."""

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.id: str = hashlib.sha256(key).hexdigest()[:8]
        """Says which master key wrapped a row, and nothing else about it."""

    def wrap(self, key: bytes) -> bytes:
        """Return `key` wrapped."""
        return aes_key_wrap(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the key in `wrapped`; raise `IntegrityError` where it was altered."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise IntegrityError(
                f"a key in the database was altered: master key {self.id} does not unwrap it; "
                "restore the database from a backup"
            ) from error

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


class MasterKeyFile:
    """Where the master key is kept, and its successor during a rotation."""

    def __init__(self, path: Path, *, kept_by_systemd: bool = False) -> None:
        self.path = path
        self.successor_path = path.with_name(path.name + ".new")
        self._kept_by_systemd = kept_by_systemd

    def exists(self) -> bool:
        """Say whether there is a master key; raise `ConfigError` where we may not look."""
        return is_there(self.path)

    def read(self) -> MasterKey:
        """Return the master key; raise `ConfigError` where it cannot be used."""
        return self._read(self.path)

    def read_successor(self) -> MasterKey | None:
        """Return the key that a rotation left or an operator laid beside, if there is one."""
        return self._read(self.successor_path) if is_there(self.successor_path) else None

    def create(self) -> MasterKey:
        """Make the first master key."""
        return self._write(self.path)

    def make_successor(self) -> MasterKey:
        """Return the key to rotate to, safely on disk; raise `ConflictError`."""
        if self._kept_by_systemd:
            raise ConflictError(
                "the master key is a systemd credential, which only systemd may write: add one "
                f"named {self.successor_path.name} to the unit, restart, and rotate again"
            )
        return self._write(self.successor_path)

    def promote_successor(self) -> None:
        """Put the successor in the master key's place; the old key is gone."""
        if self._kept_by_systemd:
            return  # The operator renames the credential; until then the rows say which counts.
        self.successor_path.replace(self.path)
        sync_folder(self.path.parent)

    def drop_successor(self) -> None:
        """Remove a successor that nothing was wrapped with."""
        if self._kept_by_systemd:
            return
        self.successor_path.unlink()
        sync_folder(self.path.parent)

    def _read(self, path: Path) -> MasterKey:
        try:
            mode = path.stat().st_mode
            key = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"the master key {path} cannot be read: {error.strerror}; restore it from "
                "where you keep its copy, or run `proxyd init` if this node is new"
            ) from error
        # systemd guards its credentials with an access list that the mode does not show.
        if mode & 0o077 and not self._kept_by_systemd:
            raise ConfigError(
                f"the master key {path} is open to others (mode {mode & 0o777:04o}): "
                f"`chmod 600 {path}`, and rotate it if others could log on here"
            )
        if len(key) != KEY_BYTES:
            raise ConfigError(
                f"the master key {path} holds {len(key)} bytes instead of {KEY_BYTES}: "
                "restore it from where you keep its copy"
            )
        return MasterKey(key)

    @staticmethod
    def _write(path: Path) -> MasterKey:
        key = secrets.token_bytes(KEY_BYTES)
        write_private(path, key)
        return MasterKey(key)


def locate(settings: Settings, credentials_dir: Path | None) -> MasterKeyFile:
    """Return the place of the master key: systemd credential, named file, state directory.

    Raises `ConfigError` where the credentials' folder is closed to us.
    """
    if credentials_dir is not None and is_there(credentials_dir / CREDENTIAL_NAME):
        return MasterKeyFile(credentials_dir / CREDENTIAL_NAME, kept_by_systemd=True)
    return MasterKeyFile(settings.control.master_key_file or settings.state_dir / "master.key")
