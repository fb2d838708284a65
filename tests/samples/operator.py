"""A node that answers an operator from memory: sessions, their chunks, and what was asked."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID

import msgspec
from samples.chunks import SESSION, STARTED, Signers, data_key

from config.model import Settings
from control.errors import NotFoundError
from control.pause_requests import PauseSession, ResumeSession
from control.proof_requests import (
    BundleSignature,
    FetchProof,
    SessionProof,
    SignBundle,
)
from control.requests import (
    Done,
    FetchChunks,
    FollowSession,
    ListSessions,
    LiveFrames,
    MessageSession,
    OperatorRequest,
    SearchHit,
    SearchSessions,
    SessionSummary,
    ShowSession,
    StoredChunk,
    TerminateSession,
)
from recorder.chunk import Chunk
from recorder.session_info import TargetProtocol
from recorder.signing import SigningKey
from recorder.tree_head import LogProof, TreeHead, bundle_text, session_leaf

STORAGE = SigningKey("storage", bytes(range(64, 96)))


def summary(
    session_id: UUID = SESSION, state: str = "finished", **fields: Any
) -> SessionSummary:
    """Return a session as lists show it."""
    values: dict[str, Any] = {
        "protocol": TargetProtocol.SSH,
        "user": "ana",
        "secret": "web",
        "target": "10.0.0.5:22",
        "site": "default",
        "engine": "engine-1",
        "client_address": "192.0.2.1",
        "started_at": STARTED,
        "ended_at": None,
        "end_reason": None,
        "chunks": 0,
        "input_bytes": 0,
        "output_bytes": 0,
        "complete": False,
    }
    return SessionSummary(id=session_id, state=state, **(values | fields))


class NodeInMemory:
    """Holds sessions as a control node does, and carries requests out on them."""

    def __init__(self) -> None:
        self.sessions: dict[UUID, SessionSummary] = {}
        self.chunks: dict[UUID, list[StoredChunk]] = {}
        self.live: dict[UUID, list[bytes]] = {}
        self.lines: list[SearchHit] = []
        self.told: list[OperatorRequest] = []
        self.logged = True
        self.problems: tuple[str, ...] = ()

    def store(self, one: SessionSummary, chunks: Sequence[Chunk]) -> None:
        """Keep a session and its chunks."""
        self.sessions[one.id] = one
        self.chunks[one.id] = [
            StoredChunk(
                sequence=c.header.sequence,
                digest=c.digest,
                encoded=c.encoded,
                data_key=data_key(c),
                stored_at=STARTED,
            )
            for c in chunks
        ]

    def open(self, _settings: Settings) -> AbstractContextManager["NodeInMemory"]:
        """Be the operator client of a command line."""
        return nullcontext(self)

    def call(self, request: OperatorRequest) -> object:
        """Return the one result."""
        match request:
            case ShowSession():
                return self._session(request.id)
            case FetchProof():
                return self.proof(self._session(request.id))
            case SignBundle():
                text = bundle_text(request.manifest_sha256)
                return BundleSignature(signature=STORAGE.sign(text))
            case TerminateSession() | MessageSession() | PauseSession() | ResumeSession():
                self._session(request.id)
                self.told.append(request)
                return Done()
        raise NotImplementedError(request)

    def proof(self, one: SessionSummary) -> SessionProof:
        """Return what speaks for a session: it is alone in the log."""
        last = self.chunks[one.id][-1].digest if self.chunks[one.id] else None
        log = None
        if one.state != "live" and last is not None and self.logged:
            head = TreeHead(
                size=1,
                root=session_leaf(one.id, last),
                signed_at=STARTED,
                public=STORAGE.public,
            )
            head = msgspec.structs.replace(head, signature=STORAGE.sign(head.text))
            log = LogProof(index=0, path=(), head=head)
        return SessionProof(
            signed=True,
            signers=tuple(Signers().keys),
            log=log,
            last_digest=last if log else None,
            problems=self.problems,
            storage_key=STORAGE.public,
        )

    def stream(self, request: OperatorRequest) -> Iterator[object]:
        """Yield the results."""
        match request:
            case ListSessions():
                yield from (one for one in self.sessions.values() if _fits(one, request))
            case SearchSessions():
                yield from (line for line in self.lines if _holds(line, request))
            case FetchChunks():
                self._session(request.id)
                yield from self.chunks[request.id][request.from_sequence :]
            case FollowSession():
                self._session(request.id)
                yield from map(_frames, self.live.get(request.id, []))
            case _:
                raise NotImplementedError(request)

    def _session(self, session_id: UUID) -> SessionSummary:
        if session_id not in self.sessions:
            raise NotFoundError(f"there is no session {session_id}")
        return self.sessions[session_id]


def _frames(body: bytes) -> LiveFrames:
    return LiveFrames(body=body)


def _fits(one: SessionSummary, request: ListSessions) -> bool:
    return (
        (not request.live or one.state == "live")
        and request.user in {None, one.user}
        and request.secret in {None, one.secret}
        and (request.since is None or one.started_at >= request.since)
        and (request.until is None or one.started_at <= request.until)
    )


def _holds(line: SearchHit, request: SearchSessions) -> bool:
    return request.text in line.text and (not request.kinds or line.kind in request.kinds)
