"""The state directory: what lies where, who may use it, and how it is set up.

master.key               the vault's master key
ssh_host_ed25519_key     the gateway's host keys
ssh_host_rsa_key
proxyd.db                the database, unless `[database] url` says otherwise
control-signing-key      what control signs its answers and commands with
engine.id                which engine this is, where it is one
engine-signing-key       what the engine signs with; engine-sealing-key unseals
trusted-keys.json        whom an engine at a site believes
spool/                   recordings that have not been stored yet
control.sock             operators reach a running node here
control.lock             held by whoever uses the database
"""

import os
from pathlib import Path

from sqlalchemy import func, select

from config.errors import ConfigError
from config.model import Settings
from control import master_key, users
from control.audit import Act
from control.gateway_keys import make_host_keys
from control.master_key import MasterKeyFile
from control.open_database import open_database
from control.operator_name import operator_name
from control.private_files import give_to_owner
from control.requests import AddUser
from control.state_folder import make_folder
from control.state_lock import hold
from control.storage_keys import StorageKeys
from control.vault import PEPPER, create_pepper, open_vault
from recorder.ports import Clock
from storage.database import Database
from storage.tables import KeyRow, SecretRow, UserRow


class Initialiser:
    """Sets up a state directory. Every step does nothing where it was done before."""

    def __init__(
        self, settings: Settings, clock: Clock, *, credentials_dir: Path | None = None
    ) -> None:
        self._settings = settings
        self._state_dir = settings.state_dir
        self._clock = clock
        self._credentials_dir = credentials_dir
        self._key_file = master_key.locate(settings, credentials_dir)
        self._told: list[str] = []

    def run(self, admin: str | None = None, password: str | None = None) -> list[str]:
        """Set up what is missing; return what was done, a line each.

        Raises `ConfigError` where what is there does not fit together,
        `StateDirHeldError` while a node runs, `InvalidError` for a weak password.
        """
        admin_hash = None if password is None else users.hash_password(password)
        self._told += make_folder(self._state_dir)
        with hold(self._state_dir):
            self._told += make_host_keys(self._state_dir)
            with open_database(self._settings, self._credentials_dir) as database:
                self._make_vault(database, self._key_file)
                self._make_storage_keys(database)
                if admin is not None and admin_hash is not None:
                    self._add_admin(database, admin, admin_hash)
            for path in self._state_dir.iterdir():
                give_to_owner(path)
        return self._told

    def _make_vault(self, database: Database, file: MasterKeyFile) -> None:
        with database.read() as session:
            pepper = session.get(KeyRow, PEPPER)
            secrets = session.scalar(select(func.count()).select_from(SecretRow))
        if pepper is not None:
            if not file.exists():
                raise ConfigError(
                    f"the {database.place} holds {secrets} secrets under master key "
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
        self._told.append(f"set up the vault in the {database.place} under master key {key.id}")

    def _make_storage_keys(self, database: Database) -> None:
        vault = open_vault(database, self._key_file)
        self._told += StorageKeys(database, vault).make_missing(self._clock.now())

    def _add_admin(self, database: Database, name: str, password_hash: str) -> None:
        act = Act(operator_name(os.geteuid()), self._clock.now())
        with database.transaction() as session:
            if session.scalar(select(UserRow.id).where(UserRow.name == name)):
                return
            request = AddUser(name=name, password="", role="admin")
            users.add(session, request, password_hash, act.at)
            act.note(session, "user.added", name, "admin")
        self._told.append(f"added the administrator {name}")
