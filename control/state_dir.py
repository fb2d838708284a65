"""The state directory: what lies where, who may use it, and how it is set up.

master.key               the vault's master key
ssh_host_ed25519_key     the gateway's host keys
ssh_host_rsa_key
proxyd.db                the database, unless `[database] url` says otherwise
control-signing.key      what control signs its answers and commands with
engine.id                which engine this is, where it is one
engine-signing.key       what the engine signs with; engine-sealing.key unseals
trusted-keys.json        whom an engine at a site believes
spool/                   recordings that have not been stored yet
control.sock             operators reach a running node here
control.lock             held by whoever uses the database
"""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from sqlalchemy import func, select

from config.errors import ConfigError
from config.model import Settings
from control import master_key, users
from control.audit import Act, operator_name
from control.master_key import MasterKeyFile
from control.open_database import open_database
from control.private_files import give_to_owner, write_private
from control.requests import AddUser
from control.state_lock import LOCK_NAME, hold
from control.vault import PEPPER, create_pepper, open_vault
from recorder.ports import Clock
from storage.database import Database
from storage.tables import KeyRow, SecretRow, UserRow

HOST_KEY_NAMES = ("ssh_host_ed25519_key", "ssh_host_rsa_key")
_RSA_BITS = 3072


def host_key_paths(state_dir: Path) -> tuple[Path, ...]:
    """Return where the gateway's host keys are, the preferred first."""
    return tuple(state_dir / name for name in HOST_KEY_NAMES)


def usable_host_keys(state_dir: Path) -> tuple[Path, ...]:
    """Return `host_key_paths`; raise `ConfigError` where one cannot be used as it is."""
    paths = host_key_paths(state_dir)
    for path in paths:
        try:
            is_open_to_others = path.stat().st_mode & 0o077
            load_ssh_private_key(path.read_bytes(), None)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{path} is missing: run `proxyd init`, or restore it from a backup"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}; run as the user that owns it"
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(
                f"{path} holds no host key: restore it from a backup, or remove it and run "
                "`proxyd init`, which makes another one"
            ) from error
        if is_open_to_others:
            raise ConfigError(f"{path} is open to others: `chmod 600 {path}`")
    return paths


class Initialiser:
    """Sets up a state directory. Every step does nothing where it was done before."""

    def __init__(
        self, settings: Settings, clock: Clock, *, credentials_dir: Path | None = None
    ) -> None:
        self._settings = settings
        self._state_dir = settings.state_dir
        self._clock = clock
        self._key_file = master_key.locate(settings, credentials_dir)
        self._told: list[str] = []

    def run(self, admin: str | None = None, password: str | None = None) -> list[str]:
        """Set up what is missing; return what was done, a line each.

        Raises `ConfigError` where what is there does not fit together,
        `StateDirHeldError` while a node runs, `InvalidError` for a weak password.
        """
        admin_hash = None if password is None else users.hash_password(password)
        self._make_folder()
        with hold(self._state_dir):
            self._make_host_keys()
            with open_database(self._settings) as database:
                self._make_vault(database, self._key_file)
                if admin is not None and admin_hash is not None:
                    self._add_admin(database, admin, admin_hash)
            for path in self._state_dir.iterdir():
                give_to_owner(path)
        return self._told

    def _make_folder(self) -> None:
        folder = self._state_dir
        try:
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True)
                self._told.append(f"made the state directory {folder}")
            self._close_to_others()
        except OSError as error:
            raise ConfigError(
                f"the state directory {folder} cannot be made: {error.strerror}; run as root, "
                "or name another one with `state_dir`"
            ) from error

    def _close_to_others(self) -> None:
        folder = self._state_dir
        mode = folder.stat().st_mode
        if not mode & 0o077:
            return
        # `state_dir = "/var/lib"` is one slip away, and closing that would stop the machine.
        if not (folder / LOCK_NAME).exists() and any(folder.iterdir()):
            raise ConfigError(
                f"the state directory {folder} is open to others and holds files that are not "
                "proxyd's: name a directory of its own with `state_dir`"
            )
        folder.chmod(0o700)
        self._told.append(f"closed {folder} to others (it had mode {mode & 0o777:04o})")

    def _make_host_keys(self) -> None:
        for path in host_key_paths(self._state_dir):
            if path.exists():
                continue
            write_host_key(path)
            self._told.append(f"made the host key {path}")

    def _make_vault(self, database: Database, file: MasterKeyFile) -> None:
        with database.read() as session:
            pepper = session.get(KeyRow, PEPPER)
            secrets = session.scalar(select(func.count()).select_from(SecretRow))
        if pepper is not None:
            if not file.exists():
                raise ConfigError(
                    f"{database.path} holds {secrets} secrets under master key "
                    f"{pepper.master_key_id}, and {file.path} is not there: restore it from "
                    "where you keep its copy; without it the secrets are lost"
                )
            open_vault(database, file)
            return
        if not file.exists():
            file.create()
            self._told.append(f"made the master key {file.path}: keep a copy elsewhere")
        key = file.read()
        with database.transaction() as session:
            create_pepper(session, key)
        self._told.append(f"set up the vault in {database.path} under master key {key.id}")

    def _add_admin(self, database: Database, name: str, password_hash: str) -> None:
        act = Act(operator_name(os.geteuid()), self._clock.now())
        with database.transaction() as session:
            if session.scalar(select(UserRow.id).where(UserRow.name == name)):
                return
            request = AddUser(name=name, password="", role="admin")
            users.add(session, request, password_hash, act.at)
            act.note(session, "user.added", name, "admin")
        self._told.append(f"added the administrator {name}")


def write_host_key(path: Path) -> None:
    """Make an SSH host key at `path`, in OpenSSH format, and its public half beside it."""
    key = (
        generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        if "rsa" in path.name
        else Ed25519PrivateKey.generate()
    )
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b"\n")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_private(path, private)
