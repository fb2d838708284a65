"""The engine's disk: what is recorded and not yet stored elsewhere.

    <spool>/<session id>/<sequence>.open    the segment that still grows
    <spool>/<session id>/<sequence>.chunk   sealed, waiting to be shipped
    <spool>/<session id>/link               what the chunk shipped last hands to the next
    <spool>/quarantine/                     damaged files, for a person to look at
    <spool>/reserve                         space that the last words of sessions may take

INVARIANT: a name that ends in `.chunk` is a whole chunk on the disk. It is made under
another name and renamed, and deleted only by `remove`, which wants a receipt.
"""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from config.model import RecorderSettings
from recorder.chunk import Chunk, decode
from recorder.chunker import Link
from recorder.data_key import DataKey
from recorder.errors import CorruptChunkError, SpoolFullError
from recorder.ports import Clock, SealingKeys, StorageReceipt
from recorder.segment import Segment, front_of, sync_folder, write_whole

QUARANTINE = "quarantine"
RESERVE = "reserve"
LINK = "link"
RESERVE_BYTES = 16 * 1024 * 1024
_RESERVE_SHARE = 8
"""On a small disk the reserve is this part of it, rather than most of it."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
WARN_PERCENT, ALARM_PERCENT, REFUSE_PERCENT = 80, 90, 95
_LEVEL_SLACK_PERCENT = 2

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_link = msgspec.msgpack.Decoder(Link)


class Begun(Struct, frozen=True, kw_only=True):
    """A recording that is on disk: its first segment, and the key it is encrypted with."""

    segment: Segment
    key: DataKey


class Spool:
    """The folder of recordings. Safe from several threads; its methods raise `OSError`."""

    def __init__(
        self, directory: Path, settings: RecorderSettings, clock: Clock, keys: SealingKeys
    ) -> None:
        self.directory = directory
        self.keys = keys
        """What is written here is encrypted and signed with."""
        self._quota_bytes = settings.spool_quota_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[UUID, dict[int, int]] = {}
        """The size of each chunk of each session, oldest first."""
        self._waiting_bytes: dict[UUID, int] = {}
        """The sum of them."""
        self._chunk_bytes = 0
        self._open_bytes = 0
        self._reserve_spent = False
        self._reserve_bytes = RESERVE_BYTES
        self._level = 0
        self.fill_percent = 0
        """How full the file system is, as `df` counts."""
        self.full = False
        """Whether running sessions must wait: the quota or the disk is used up."""
        self.quarantined = 0
        """How many damaged files were put aside since the start."""

    def prepare(self) -> None:
        """Make the folder and its reserve. Call before anything else."""
        (self.directory / QUARANTINE).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        self._fill_reserve()
        self.measure(0)

    # --- sessions

    def begin(self, session_id: UUID, first_body: bytes) -> Begun:
        """Return the first segment of a session, on the disk for good.

        It holds the wrapped data key and, encrypted, `first_body`. Raises
        `RecordingKeyError` where there is no key to wrap it to.
        """
        self.check_room()
        key = self.keys.recording_key.new_data_key(session_id)
        folder = self.folder(session_id)
        folder.mkdir(mode=0o700)
        front = front_of(session_id, self._clock.now(), key.wrapped)
        try:
            segment = Segment(str(folder), 0, key, front)
        except OSError:
            folder.rmdir()
            raise
        try:
            segment.append(first_body)
            segment.sync()
            sync_folder(self.directory)
        except OSError:
            segment.remove()
            folder.rmdir()
            raise
        return Begun(segment=segment, key=key)

    def folder(self, session_id: UUID) -> Path:
        """Return where the files of a session are."""
        return self.directory / str(session_id)

    def sessions(self) -> tuple[UUID, ...]:
        """Return the sessions that have anything in the spool, live ones too."""
        return tuple(
            UUID(folder.name)
            for folder in self.directory.iterdir()
            if folder.is_dir() and is_session(folder.name)
        )

    # --- sealed chunks

    def add(self, chunk: Chunk) -> None:
        """Bring a sealed chunk to the disk. Adding it again is harmless."""
        session_id, sequence = chunk.header.session_id, chunk.header.sequence
        self._write(self._chunk_path(session_id, sequence), chunk.pieces)
        self.take_over(session_id, sequence, chunk.size_bytes)

    def take_over(self, session_id: UUID, sequence: int, size_bytes: int) -> None:
        """Count a chunk that is on the disk as waiting to be shipped."""
        with self._lock:
            waiting = self._waiting.setdefault(session_id, {})
            self._count(session_id, size_bytes - waiting.get(sequence, 0))
            waiting[sequence] = size_bytes

    def waiting(self) -> list[UUID]:
        """Return the sessions that have chunks to ship."""
        with self._lock:
            return list(self._waiting)

    def next_sequence(self, session_id: UUID) -> int | None:
        """Return the oldest chunk of a session that is not stored yet."""
        with self._lock:
            return next(iter(self._waiting.get(session_id, ())), None)

    def read(self, session_id: UUID, sequence: int) -> Chunk:
        """Return a sealed chunk; raise `CorruptChunkError` where it was damaged since."""
        return decode(self._chunk_path(session_id, sequence).read_bytes())

    def remove(self, chunk: Chunk, receipt: StorageReceipt) -> bool:
        """Delete `chunk` if `receipt` is for it; say whether it was.

        What the next chunk must know of it is kept until the session ends.
        """
        session_id, sequence = chunk.header.session_id, chunk.header.sequence
        if (receipt.session_id, receipt.sequence, receipt.digest) != (
            session_id,
            sequence,
            chunk.digest,
        ):
            return False
        if chunk.header.end_reason is not None:
            shutil.rmtree(self.folder(session_id))
        else:
            link = Link(header=chunk.header, digest=chunk.digest)
            self._write(self.folder(session_id) / LINK, (msgspec.msgpack.encode(link),))
            self._chunk_path(session_id, sequence).unlink(missing_ok=True)
        self.forget(session_id, sequence)
        return True

    def refuse(self, chunk: Chunk, why: str) -> None:
        """Put aside a chunk that will never be stored; with the last one the folder goes."""
        header = chunk.header
        self.quarantine(
            self._chunk_path(header.session_id, header.sequence), header.session_id, why
        )
        if header.end_reason is not None:
            shutil.rmtree(self.folder(header.session_id))

    def quarantine(self, file: Path, session_id: UUID, why: str) -> None:
        """Move a damaged file aside, so that the rest goes on."""
        aside = self.directory / QUARANTINE / f"{session_id}-{file.name}"
        if file.suffix == ".chunk":
            self.forget(session_id, int(file.stem))
        file.replace(aside)
        self.quarantined += 1
        _log.error(
            "spool.quarantined",
            session_id=str(session_id),
            file=str(aside),
            why=why,
            next_step="the part of the session in this file is missing from its recording; "
            "check the disk, keep the file as evidence, delete it when it was examined",
        )

    def take_back(self, session_id: UUID, wanted: Iterable[int]) -> set[int]:
        """Return which chunks of `wanted` will be shipped; those in quarantine again."""
        with self._lock:
            found = set(wanted) & set(self._waiting.get(session_id, ()))
        for sequence in set(wanted) - found:
            aside = self.directory / QUARANTINE / f"{session_id}-{sequence}.chunk"
            try:
                size_bytes = decode(aside.read_bytes()).size_bytes
                self.folder(session_id).mkdir(mode=0o700, exist_ok=True)
                aside.replace(self._chunk_path(session_id, sequence))
            except (OSError, CorruptChunkError):
                continue
            self.take_over(session_id, sequence, size_bytes)
            found.add(sequence)
        return found

    def forget(self, session_id: UUID, sequence: int) -> None:
        """Count a chunk as waiting no more."""
        with self._lock:
            waiting = self._waiting.get(session_id, {})
            self._count(session_id, -waiting.pop(sequence, 0))
            if not waiting:
                self._waiting.pop(session_id, None)
                self._waiting_bytes.pop(session_id, None)

    def link(self, session_id: UUID) -> Link | None:
        """Return what the chunk shipped last hands to the next; None where none was shipped."""
        try:
            return _link.decode((self.folder(session_id) / LINK).read_bytes())
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.quarantine(self.folder(session_id) / LINK, session_id, str(error))
            return None

    # --- room

    @property
    def used_bytes(self) -> int:
        """How many bytes wait in the spool, as of the last measuring."""
        return self._chunk_bytes + self._open_bytes

    def waiting_bytes(self, session_id: UUID) -> int:
        """Return how many bytes of a session's sealed chunks wait."""
        return self._waiting_bytes.get(session_id, 0)

    @property
    def unshipped_chunks(self) -> int:
        """How many sealed chunks wait."""
        with self._lock:
            return sum(len(waiting) for waiting in self._waiting.values())

    @property
    def oldest_unshipped_s(self) -> float:
        """How long the oldest sealed chunk has waited; 0 where none waits."""
        now_s = self._clock.now().timestamp()
        with self._lock:
            oldest = [(id_, next(iter(waiting))) for id_, waiting in self._waiting.items()]
        sealed_s = now_s
        for session_id, sequence in oldest:
            with contextlib.suppress(FileNotFoundError):
                at_s = self._chunk_path(session_id, sequence).stat().st_mtime
                sealed_s = min(sealed_s, at_s)
        return now_s - sealed_s

    def measure(self, open_bytes: int) -> None:
        """Find out how full quota and disk are; `open_bytes` lie in open segments."""
        self._open_bytes = open_bytes
        try:
            used, available = _used_and_available(self.directory)
        except OSError as error:
            _log.error("spool.unreadable", spool=str(self.directory), error=str(error))
            self.full = True
            return
        self.fill_percent = round(100 * used / max(1, used + available))
        if self._reserve_spent and available > 2 * self._reserve_bytes:
            self._fill_reserve()
        self.full = self._reserve_spent or self.used_bytes >= self._quota_bytes
        self._tell_level()

    def check_room(self) -> None:
        """Raise `SpoolFullError` where no new session may begin."""
        if self.full or self._used_percent >= REFUSE_PERCENT:
            raise SpoolFullError(
                f"the spool {self.directory} holds {self.used_bytes} of {self._quota_bytes} "
                f"bytes and its disk is {self.fill_percent} % full: new sessions are refused "
                "until chunks are stored or space is freed"
            )

    def makes_room(self, error: OSError) -> bool:
        """Free the reserve if `error` is for want of space; False where that is no help.

        It is for the last words of the sessions and for chunks, which shrink the spool.
        """
        if error.errno not in _NO_SPACE:
            return False
        with self._lock:
            if self._reserve_spent:
                return False
            self._reserve_spent = self.full = True
        (self.directory / RESERVE).unlink(missing_ok=True)
        _log.error(
            "spool.reserve_spent",
            spool=str(self.directory),
            next_step="free space on the spool's disk: sessions end until there is some",
        )
        return True

    # --- inside

    def _count(self, session_id: UUID, more_bytes: int) -> None:
        self._chunk_bytes += more_bytes
        self._waiting_bytes[session_id] = self.waiting_bytes(session_id) + more_bytes

    @property
    def _used_percent(self) -> int:
        """Of the disk or of the quota, whichever is nearer to its end."""
        return max(self.fill_percent, 100 * self.used_bytes // self._quota_bytes)

    def _chunk_path(self, session_id: UUID, sequence: int) -> Path:
        return self.folder(session_id) / f"{sequence}.chunk"

    def _write(self, path: Path, pieces: Sequence[bytes]) -> None:
        try:
            write_durably(path, pieces)
        except OSError as error:
            if not self.makes_room(error):
                raise
            write_durably(path, pieces)

    def _fill_reserve(self) -> None:
        used, available = _used_and_available(self.directory)
        self._reserve_bytes = max(1, min(RESERVE_BYTES, (used + available) // _RESERVE_SHARE))
        path = self.directory / RESERVE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._reserve_bytes)
        except OSError as error:
            path.unlink()
            self._reserve_spent = error.errno in _NO_SPACE
            _log.error("spool.reserve_missing", spool=str(self.directory), error=str(error))
        else:
            self._reserve_spent = False
        finally:
            os.close(descriptor)

    def _tell_level(self) -> None:
        percent = self._used_percent
        levels = (REFUSE_PERCENT, ALARM_PERCENT, WARN_PERCENT)
        level = next((level for level in levels if percent >= level), 0)
        if self._level - _LEVEL_SLACK_PERCENT <= percent < self._level:
            return  # It will be back in a moment, and was told already.
        if level > self._level:
            tell = _log.warning if level == WARN_PERCENT else _log.error
            tell(
                "spool.nearly_full",
                spool=str(self.directory),
                percent=percent,
                refuses_sessions=level == REFUSE_PERCENT,
                next_step="see why chunks are not stored, or enlarge the disk or the quota",
            )
        elif level < self._level:
            _log.info("spool.emptier", spool=str(self.directory), percent=percent)
        self._level = level


def write_durably(path: Path, pieces: Sequence[bytes]) -> None:
    """Write a file so that its name stands for all of it, whenever the power goes."""
    making = path.with_name(path.name + ".tmp")
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for piece in pieces:
            write_whole(descriptor, piece)
        os.fdatasync(descriptor)
    except OSError:
        making.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    making.replace(path)
    sync_folder(path.parent)


def is_session(name: str) -> bool:
    """Say whether a folder of the spool is a session's."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _used_and_available(directory: Path) -> tuple[int, int]:
    """As `df` counts: what only root may use is neither."""
    disk = os.statvfs(directory)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize, disk.f_bavail * disk.f_frsize
