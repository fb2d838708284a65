"""A node's private key, and the file it lives in: Ed25519 to sign, X25519 to unseal.

It comes from a systemd credential or lies in the state directory, PKCS 8 in PEM, mode
0600. Its successor lies beside it as `….new` until everybody who has to know it does.
"""

import contextlib
from pathlib import Path
from typing import Generic, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from config.errors import ConfigError
from config.secret import is_there
from control.errors import ConflictError
from control.private_files import sync_folder, write_private

Key = TypeVar("Key", Ed25519PrivateKey, X25519PrivateKey)


class KeyFile(Generic[Key]):
    """Where a private key is kept, and its successor during a rotation."""

    def __init__(self, path: Path, kind: type[Key], *, kept_by_systemd: bool = False) -> None:
        self.path = path
        self.successor_path = path.with_name(path.name + ".new")
        self._kind: type[Key] = kind
        self._kept_by_systemd = kept_by_systemd

    def read(self) -> Key:
        """Return the key; raise `ConfigError` where it cannot be used."""
        return self._read(self.path)

    def read_or_make(self) -> Key:
        """Return the key, made now where there is none; raise `ConfigError`."""
        try:
            return self.read() if is_there(self.path) else self._make(self.path)
        except OSError as error:
            raise ConfigError(
                f"the key {self.path} cannot be kept: {error.strerror}; let the daemon's user "
                "write to the state directory"
            ) from error

    def read_successor(self) -> Key | None:
        """Return the key that is to follow, if there is one."""
        return self._read(self.successor_path) if is_there(self.successor_path) else None

    def read_or_make_successor(self) -> Key:
        """Return the key to rotate to, safely on disk; raise `ConflictError`."""
        successor = self.read_successor()
        if successor is not None:
            return successor
        if self._kept_by_systemd:
            raise ConflictError(
                f"the key {self.path.name} is a systemd credential, which only systemd may "
                f"write: add one named {self.successor_path.name} to the unit, restart, and "
                "rotate again"
            )
        return self._make(self.successor_path)

    def promote_successor(self) -> None:
        """Put the successor in the key's place; the old private key is gone."""
        if self._kept_by_systemd:
            return  # The operator renames the credential.
        self.successor_path.replace(self.path)
        sync_folder(self.path.parent)

    def _make(self, path: Path) -> Key:
        key: Key = self._kind.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem)
        return key

    def _read(self, path: Path) -> Key:
        try:
            mode, pem = path.stat().st_mode, path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"the key {path} cannot be read: {error.strerror}; restore it from a backup, "
                "or run as the user that owns it"
            ) from error
        # systemd guards its credentials with an access list that the mode does not show.
        if mode & 0o077 and not self._kept_by_systemd:
            raise ConfigError(
                f"the key {path} is open to others (mode {mode & 0o777:04o}): "
                f"`chmod 600 {path}`, and rotate it if others could log on here"
            )
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            loaded = load_pem_private_key(pem, None)
            if isinstance(loaded, self._kind):
                key: Key = loaded
                return key
        # Without a cause: a foreign error might quote the key.
        raise ConfigError(
            f"the key {path} is no {self._kind.__name__} in PEM: restore it from a backup"
        )


def locate(
    state_dir: Path, name: str, kind: type[Key], credentials_dir: Path | None
) -> KeyFile[Key]:
    """Return the place of a key: systemd credential `name`, else `name` in `state_dir`."""
    if credentials_dir is not None and is_there(credentials_dir / name):
        return KeyFile(credentials_dir / name, kind, kept_by_systemd=True)
    return KeyFile(state_dir / name, kind)
