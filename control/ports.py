"""What the control plane needs from the rest of the daemon."""

from collections.abc import Callable, Iterator
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from bus.contract import HostKeyPolicy, TargetCredential
from control.answers import Result
from control.node_requests import Status
from control.requests import OperatorRequest, SearchHit, StoredChunk
from recorder.session_info import Target


class CarriesOut(Protocol):
    """What stands behind a node's socket. Blocking."""

    def carry_out(self, request: OperatorRequest, who: str) -> Iterator[Result]:
        """Yield the results; raise the errors of `control.errors`."""
        ...


class SessionSearch(Protocol):
    """Full-text search of the index."""

    def search(self, text: str, kinds: tuple[str, ...], limit: int) -> list[SearchHit]:
        """Return the lines that hold `text`, newest session first; no kinds: all."""
        ...


class ChunkReader(Protocol):
    """The stored chunks."""

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[StoredChunk]:
        """Yield them in order. Each step may come from another thread."""
        ...

    def keyframe(self, session_id: UUID, sequence: int) -> tuple[int, bytes | None]:
        """Return the number of a chunk up to `sequence`, and the state as it opens."""
        ...


class TargetLogin(Struct, frozen=True, kw_only=True):
    """All it takes to log on to a target once."""

    secret_name: str
    target: Target
    credential: TargetCredential
    host_key_policy: HostKeyPolicy
    host_keys: tuple[str, ...]
    channels: tuple[str, ...] = ()
    """What the secret lets through."""


class TestedTarget(Struct, frozen=True, kw_only=True):
    """How a login went, and which host key the target showed."""

    __test__ = False  # Not a test class, whatever pytest thinks of its name.
    ok: bool
    refused: bool = False
    """Whether the target was reached, and did not take the credential."""
    detail: str
    host_key: str | None = None


class TargetTester(Protocol):
    """Dials targets to see whether a secret works."""

    def test(self, login: TargetLogin) -> TestedTarget:
        """Dial, check the host key, log on, leave. Blocks, under a timeout of its own."""
        ...


class LiveSessions(Protocol):
    """The sessions that run right now, on their engines. Blocking.

    Every method raises `UnreachableError` where the engine does not answer or no longer
    has the session.
    """

    def terminate(self, engine_id: str, session_id: UUID, reason: str) -> None:
        """End a session and tell its user why."""
        ...

    def message(self, engine_id: str, session_id: UUID, text: str) -> None:
        """Show a line in the user's terminal."""
        ...

    def pause(self, engine_id: str, session_id: UUID, text: str, *, paused: bool) -> None:
        """Let nothing cross, or let it cross again, and tell the user."""
        ...


NodeStatus = Callable[[], Status]
"""Says how this node is."""
