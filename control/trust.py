"""Control and storage on the bus, and whom they hear: a snapshot of the database.

Envelopes are opened on the event loop, which must not wait for a database; so the keys are
read beside it every few seconds, and at once after an operator's act.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.identity import Identity
from bus.signed import introduced
from config.errors import ConfigError
from control import node_keys, succession
from control.audit import Act
from control.errors import ConflictError
from control.node_keys import CONTROL, STORAGE, Purpose
from control.signing_key import KeyFile, locate
from control.storage_keys import StorageKeys
from recorder.ports import Clock
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.tables import NodeKeyRow

CONTROL_KEY_NAME: Final = "control-signing-key"
"""In the state directory, or as a systemd credential."""
REFRESH_S: Final = 2.0
"""An engine that was approved is heard after this at the latest."""
LAST_WORDS: Final = dt.timedelta(minutes=1)
"""A revoked engine is still heard saying that it ended its sessions; it is granted nothing."""

T = TypeVar("T")
ControlKeyFile = KeyFile[Ed25519PrivateKey]

_log = structlog.get_logger()


class KnownNodes:
    """A `bus.signed.Known` of everybody in the database, and of whoever asks to enrol."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._rows: dict[str, list[NodeKeyRow]] = {}

    def refresh(self) -> None:
        """Read the keys again; raise `StorageUnavailableError`. Blocking."""
        rows: dict[str, list[NodeKeyRow]] = {}
        with self._database.read() as session:
            query = select(NodeKeyRow).where(NodeKeyRow.purpose == Purpose.SIGNING)
            for row in session.scalars(query):
                rows.setdefault(row.node, []).append(row)
        self._rows = rows

    def keys(self, issuer: str) -> tuple[bytes, ...] | None:
        """Return the keys that `issuer` may sign with now."""
        stranger = introduced(issuer)
        if stranger is not None:
            return (stranger,)
        now = self._clock.now()
        rows = [row for row in self._rows.get(issuer, ()) if _is_heard(row, now)]
        return tuple(row.public_key for row in rows) or None


class ControlKey:
    """The key that control signs with, and the one that is to follow it."""

    def __init__(self, database: Database, file: ControlKeyFile, clock: Clock) -> None:
        """Make the key where there is none; raise `ConfigError`. Blocking."""
        self._database = database
        self._file = file
        self._clock = clock
        self.private = file.read_or_make()
        with database.transaction() as session:
            act = Act(CONTROL, clock.now())
            successor = file.read_successor()
            if successor is not None and _has_ended(session, public(self.private)):
                # It took over, and the file was not put in place: a crash, or systemd's file.
                self.private = successor
                file.promote_successor()
                return
            try:
                is_new = node_keys.add(
                    session, CONTROL, Purpose.SIGNING, public(self.private), act.at
                )
            except ConflictError as error:
                raise ConfigError(
                    f"{file.path} holds a key that was replaced: restore the newer one, which "
                    "engines believe"
                ) from error
            if is_new:
                act.note(session, "control.key_made", CONTROL)

    def settle(self) -> bool:
        """Let an announced successor take over once every engine knows it. Blocking.

        Says whether it did; then sign with `private` anew.
        """
        successor = self._file.read_successor()
        if successor is None or public(successor) == public(self.private):
            return False
        with self._database.transaction() as session:
            act = Act(CONTROL, self._clock.now())
            succession.announce(session, CONTROL, public(successor), act)
            if succession.waiting_for(session, public(successor)):
                return False
            succession.succeed(session, CONTROL, public(successor), act)
        self._file.promote_successor()
        self.private = successor
        return True


class ControlTrust:
    """Control on the bus. Enter `run` in a task of its own."""

    def __init__(self, database: Database, file: ControlKeyFile, clock: Clock) -> None:
        """Load or make control's key, and read whom it knows.

        Blocks; raises `ConfigError`.
        """
        self._known = KnownNodes(database, clock)
        self._key = ControlKey(database, file, clock)
        self._known.refresh()
        self.file = file
        self.identity = Identity(CONTROL, self._key.private, self._known.keys, clock)

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            if await _in_step(self._follow):
                self.identity.sign_with(self._key.private)
                _log.info("control.key_rotated")
            await asyncio.sleep(REFRESH_S)

    def _follow(self) -> bool:
        self._known.refresh()
        return self._key.settle()


class StorageTrust:
    """The storage side on the bus. Enter `run` in a task of its own."""

    def __init__(self, database: Database, keys: StorageKeys, clock: Clock) -> None:
        """Read whom to hear. Blocks; raises `ControlError` where there is no key."""
        self._known = KnownNodes(database, clock)
        self._known.refresh()
        self._keys = keys
        signer = keys.signer
        self._public = signer.public
        self.identity = Identity(STORAGE, signer, self._known.keys, clock)
        """For the thread that consumes."""

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            await _in_step(self._follow)
            await asyncio.sleep(REFRESH_S)

    def _follow(self) -> None:
        self._known.refresh()
        self._keys.refresh_signer()
        signer = self._keys.signer
        if signer.public != self._public:
            self.identity.sign_with(signer)
            self._public = signer.public
            _log.info("storage.key_rotated")


async def follow_storage_key(keys: StorageKeys, clock: Clock) -> None:
    """Let storage's next key take over once every engine knows it, until cancelled."""
    while True:
        await _in_step(lambda: keys.settle_signing_key(Act(CONTROL, clock.now())))
        await asyncio.sleep(REFRESH_S)


async def _in_step(read: Callable[[], T]) -> T | None:
    """Read beside the event loop; None, with a warning, while the database is away."""
    try:
        return await asyncio.to_thread(read)
    except StorageUnavailableError as error:
        _log.warning("trust.stale", error=str(error))
        return None


def locate_control_key(state_dir: Path, credentials_dir: Path | None) -> ControlKeyFile:
    """Return the place of control's signing key; raise `ConfigError`."""
    kind = Ed25519PrivateKey
    return locate(state_dir, CONTROL_KEY_NAME, kind, credentials_dir)  # type: ignore[type-abstract]


def _has_ended(session: Session, key: bytes) -> bool:
    row = session.get(NodeKeyRow, key)
    return row is not None and row.valid_until is not None


def _is_heard(row: NodeKeyRow, now: dt.datetime) -> bool:
    return row.valid_until is None or now < row.valid_until + LAST_WORDS


def public(key: Ed25519PrivateKey) -> bytes:
    """Return the raw public half of a key."""
    return key.public_key().public_bytes_raw()
