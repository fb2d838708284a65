"""Writes a bundle, and opens one: the zip file around `recorder.replay.bundle`."""

import datetime as dt
import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from control.errors import NotFoundError
from control.proof_requests import BundleSignature, FetchProof, SessionProof, SignBundle
from proxyd.cli.bundle_player import desktop_page, terminal_page
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.pictures import picture_pieces
from proxyd.cli.stored import StoredSession
from recorder.errors import CorruptChunkError
from recorder.replay import bundle
from recorder.replay.asciicast import cast_lines
from recorder.replay.bundle import ListedChunk, Manifest
from recorder.replay.salvage import recorded
from recorder.replay.timeline import placed
from recorder.replay.transcript import transcript_lines

MAX_MEMBER_BYTES: Final = 1024**3
"""A larger member is an attack: a chunk has 17 MiB at most."""
_PIECE_BYTES: Final = 1024 * 1024
_SPOOLED_BYTES: Final = 64 * 1024 * 1024
_README: Final = """\
The recording of session {id}, exported by proxyd.

player.html plays it in a browser, without a network. transcript.txt is its text and
session.cast its asciicast (asciinema play session.cast), or, of a desktop, session.mp4 its
video. What proves it is the rest:
chunks/ is what the engine sealed and signed, manifest.json lists everything and is signed
in manifest.sig, keys/ holds the public keys, tree-head.json the signed head of the log.

    proxyd session verify FILE

checks all of it and needs nothing else. Whose keys these are the bundle alone cannot tell:
compare the key that is printed with that of `proxyd log head` where it was exported.
"""


def bundle_pieces(session: StoredSession) -> Iterator[bytes]:
    """Yield the bundle of a session as a zip file, piece by piece."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _Writer(session, archive).write()
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            yield piece


class _Writer:
    """Puts one session's members into an archive."""

    def __init__(self, session: StoredSession, archive: zipfile.ZipFile) -> None:
        self._session = session
        self._archive = archive
        self._id: UUID = session.summary.id
        self._members: dict[str, str] = {}
        self._data_key = b""

    def write(self) -> None:
        """Write all of it, the manifest last."""
        operator = self._session.operator
        chunks = tuple(self._chunks())
        # After the chunks: what the log holds by now is what they end with.
        proof: SessionProof = operator.call(FetchProof(id=self._id))
        self._renderings()
        manifest = Manifest(
            session_id=self._id,
            exported_at=dt.datetime.now(dt.UTC),
            live=self._session.live,
            signed=proof.signed,
            data_key=self._data_key,
            chunks=chunks,
            signers=proof.signers,
            log=proof.log,
            storage_key=proof.storage_key,
            members=self._members,
        )
        for name, content in bundle.key_members(manifest).items():
            self._add(name, content)
        encoded = bundle.encode_manifest(manifest)
        digest = hashlib.sha256(encoded).digest()
        signed: BundleSignature = operator.call(SignBundle(id=self._id, manifest_sha256=digest))
        self._archive.writestr(bundle.MANIFEST, encoded)
        self._archive.writestr(bundle.SIGNATURE, bundle.encode_signature(signed.signature))

    def _chunks(self) -> Iterator[ListedChunk]:
        for chunk in self._session.chunks():
            self._add(bundle.chunk_name(chunk.sequence), chunk.encoded)
            self._data_key = self._data_key or chunk.data_key
            yield ListedChunk(
                sequence=chunk.sequence, digest=chunk.digest, stored_at=chunk.stored_at
            )

    def _renderings(self) -> None:
        self._add("README.txt", _README.format(id=self._id).encode())
        events = self._session.recording().events()
        if self._session.is_desktop:
            events = recorded(self._session.salvage().events())
        self._add("transcript.txt", b"".join(transcript_lines(events)))
        if self._session.is_desktop:
            self._desktop()
            return
        try:
            played = self._session.terminal()
        except NotFoundError:
            return  # A session without a channel has nothing to show, yet all its proof.
        events = placed(self._session.recording().events())
        cast = b"".join(cast_lines(events, played))
        self._add("session.cast", cast)
        self._add("player.html", terminal_page(self._session).encode())

    def _desktop(self) -> None:
        try:
            events = self._session.salvage().events()
            pieces = picture_pieces(self._session, events, "video")
            video = b"".join(pieces)
        except NotFoundError:
            return
        except CommandFailedError as error:
            # The proof is worth more than the picture, which can be made from it again.
            self._add("no-video.txt", f"{error.message}\n".encode())
            return
        self._add("session.mp4", video)
        self._add("player.html", desktop_page(self._session).encode())

    def _add(self, name: str, content: bytes) -> None:
        self._archive.writestr(name, content)
        self._members[name] = hashlib.sha256(content).hexdigest()


class BundleFile:
    """A bundle on disk. Enter it; raises `CorruptChunkError` where it is no whole zip file."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise CorruptChunkError(f"{path} is no bundle, or damaged: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def names(self) -> list[str]:
        """The members, as often as they are there."""
        return self._archive.namelist()

    def read(self, name: str) -> bytes:
        """Return a member; what cannot be read is empty, and so has another digest."""
        try:
            if self._archive.getinfo(name).file_size > MAX_MEMBER_BYTES:
                return b""
            return self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError):
            return b""
        except (NotImplementedError, OSError):
            return b""
