"""What can be shown for a recording: who signed it, and that it is in the log of sessions.

Heads of the log, signed, are written to a folder of the operator's choice, where whoever
owns the database does not own them. A log that was shortened, or had an entry replaced,
does not fit the heads that it once had.
"""

import os
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from control import sessions
from control.audit import Act
from control.proof_requests import BundleSignature, LogChecked, SessionProof
from control.storage_keys import StorageKeys, public_keys
from recorder.errors import CorruptChunkError
from recorder.merkle import root_of
from recorder.ports import Clock
from recorder.tree_head import LogProof, TreeHead, bundle_text, decode_head, encode_head
from storage import session_log
from storage.database import Database
from storage.signers import StoredSigners
from storage.tables import SessionRow

_HEADS = "*.head.json"

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Proofs:
    """Shows and signs. Blocking; for any thread."""

    def __init__(
        self, database: Database, keys: StorageKeys, clock: Clock, head_dir: Path | None
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._head_dir = head_dir

    def of(self, session_id: UUID) -> SessionProof:
        """Return all that speaks for a session; raise `NotFoundError`."""
        with self._database.read() as session:
            row = sessions.find(session, session_id)
            entry = session_log.entry(session, session_id)
            problems = self._problems(session)
            problems += map(_denial, session_log.denied(session, session_id))
            if entry is None:
                log = None
                if row.signed and row.last_sequence is not None:
                    problems.append("the session has ended and is not in the log of sessions")
            else:
                path, root, size = session_log.path_of(session, entry.position)
                head = self._signed(size, root)
                log = LogProof(index=entry.position, path=path, head=head)
        return SessionProof(
            signed=row.signed,
            signers=tuple(StoredSigners(self._database).of(row.engine)),
            log=log,
            last_digest=None if entry is None else entry.last_digest,
            problems=tuple(problems),
            storage_key=self._keys.signer.public,
        )

    def sign_bundle(
        self, session_id: UUID, manifest_sha256: bytes, act: Act
    ) -> BundleSignature:
        """Vouch that this bundle was exported here; raise `NotFoundError`."""
        with self._database.transaction() as session:
            sessions.find(session, session_id)
            act.note(session, "session.exported", str(session_id), manifest_sha256.hex())
        signature = self._keys.signer.sign(bundle_text(manifest_sha256))
        return BundleSignature(signature=signature)

    def head(self) -> TreeHead:
        """Return what the log is now."""
        with self._database.read() as session:
            leaves = session_log.leaves(session)
        return self._signed(len(leaves), root_of(leaves))

    def check_log(self) -> LogChecked:
        """Look at the whole log: heads, entries without sessions, sessions without entries."""
        with self._database.read() as session:
            problems = self._problems(session)
            for entry in session_log.unfounded(session):
                problems.append(
                    f"session {entry.session_id} ended on {entry.added_at:%Y-%m-%d %H:%MZ}; "
                    "it, or the chunk that ended it, is not stored any more"
                )
            for row in session_log.unlogged(session):
                problems.append(f"session {row.id} has ended and is not in the log")
            problems += map(_denial, session_log.denied(session))
            size = len(session_log.leaves(session))
        return LogChecked(size=size, heads=len(self._heads()), problems=tuple(problems))

    def export_head(self) -> None:
        """Write the head to the folder, where there is one and the log has grown."""
        if self._head_dir is None:
            return
        head = self.head()
        path = self._head_dir / f"{head.size:012d}.head.json"
        if not head.size or path.exists():
            return
        try:
            _write(path, encode_head(head))
        except OSError as error:
            _log.error(
                "tree_head.unwritten",
                folder=str(self._head_dir),
                error=str(error),
                next_step="let proxyd write to the folder of [proof] tree_head_dir",
            )

    def _signed(self, size: int, root: bytes) -> TreeHead:
        signer, now = self._keys.signer, self._clock.now()
        unsigned = TreeHead(size=size, root=root, signed_at=now, public=signer.public)
        return TreeHead(
            size=size,
            root=root,
            signed_at=now,
            public=signer.public,
            signature=signer.sign(unsigned.text),
        )

    def _problems(self, session: Session) -> list[str]:
        """Return where the log does not fit the heads that were exported."""
        heads = self._heads()
        ours = {row.public_key for row in public_keys(session, self._keys.signer.engine_id)}
        roots = session_log.roots(session, {head.size for _, head in heads if head})
        problems = []
        for path, head in heads:
            if head is None or not head.holds or head.public not in ours:
                problems.append(f"{path} is no tree head that this storage side signed")
            elif head.size not in roots:
                problems.append(
                    f"the log is shorter than the {head.size} sessions that it held on "
                    f"{head.signed_at:%Y-%m-%d %H:%M:%SZ}, by {path}: it was rolled back"
                )
            elif roots[head.size] != head.root:
                problems.append(
                    f"the first {head.size} sessions of the log are not those that it held on "
                    f"{head.signed_at:%Y-%m-%d %H:%M:%SZ}, by {path}: it was written anew"
                )
        return problems

    def _heads(self) -> list[tuple[Path, TreeHead | None]]:
        if self._head_dir is None or not self._head_dir.is_dir():
            return []
        return [(path, _read(path)) for path in sorted(self._head_dir.glob(_HEADS))]


def _denial(row: SessionRow) -> str:
    end = "without a last chunk" if row.last_sequence is None else "with its last chunk"
    return (
        f"session {row.id} has ended by the log of sessions, and not by its row in the store "
        f"({row.state}, {end}): the row was altered, or put back to an older state"
    )


def _read(path: Path) -> TreeHead | None:
    try:
        return decode_head(path.read_bytes())
    except (OSError, CorruptChunkError):
        return None


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
