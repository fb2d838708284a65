"""A worker's gaps: chunks that should lie before a stored one are asked for again, once."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct
from pika.adapters.blocking_connection import BlockingChannel

from bus import codec, topology
from bus.calls import check_issuer
from bus.contract import ChunkStored, ResendChunks
from bus.ports import Identity, Missing
from bus.publisher import properties_of
from bus.signed import nonce_of
from recorder.chunk import ChunkHeader

_REMEMBERED: Final = 1000
"""Gaps that were asked for: what is forgotten is at worst asked for again."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Stored(Struct, frozen=True):
    """A chunk that was stored, and who shipped it."""

    engine_id: str
    header: ChunkHeader
    receipt: ChunkStored


class _Gap(Struct, frozen=True):
    engine_id: str
    nonce: bytes
    after: ChunkStored
    first: int
    last: int


class Gaps:
    """Asks engines for what is missing, and says what they do not have either."""

    def __init__(
        self,
        identity: Identity,
        missing: Missing,
        lost: Callable[[ChunkStored, tuple[int, int]], None],
    ) -> None:
        self.node = f"worker-{secrets.token_hex(4)}"
        """Where the engines' results come."""
        self._identity = identity
        self._missing = missing
        self._lost = lost
        self._asked: OrderedDict[tuple[UUID, int, int], str] = OrderedDict()
        self._under_way: dict[str, _Gap] = {}

    def fresh_name(self) -> str:
        """Return a name for the queue of one connection."""
        return secrets.token_hex(4)

    def refused(self, session_id: UUID, sequence: int) -> None:
        """Do not ask for a chunk that came and was put aside."""
        self._remember((session_id, sequence, sequence), "")

    def look(self, publisher: BlockingChannel, stored: Sequence[Stored]) -> None:
        """Ask for what is missing before chunks just stored, unless that was done.

        Raises `BusUnavailableError` where storage cannot say.
        """
        spans = self._missing([each.header for each in stored])
        for each, span in zip(stored, spans, strict=True):
            if span is not None and (each.header.session_id, *span) not in self._asked:
                self._ask(publisher, each, span)

    def _ask(self, publisher: BlockingChannel, after: Stored, span: tuple[int, int]) -> None:
        session_id, engine_id = after.header.session_id, after.engine_id
        correlation = secrets.token_hex(8)
        command = ResendChunks(session_id=session_id, first=span[0], last=span[1])
        envelope = self._identity.sign(engine_id, codec.encode(command))
        self._remember((session_id, *span), correlation)
        self._under_way[correlation] = _Gap(engine_id, nonce_of(envelope), after.receipt, *span)
        _log.warning(
            "chunk.missing",
            session_id=str(session_id),
            first=span[0],
            last=span[1],
            engine=engine_id,
        )
        publisher.basic_publish(
            topology.DIRECT_TO_QUEUE,
            topology.engine_commands(engine_id).name,
            envelope,
            properties_of(reply_to=self.node, correlation_id=correlation),
        )

    def _remember(self, span: tuple[UUID, int, int], correlation: str) -> None:
        self._asked[span] = correlation
        while len(self._asked) > _REMEMBERED:
            _, oldest = self._asked.popitem(last=False)
            self._under_way.pop(oldest, None)

    def answered(self, correlation: str, envelope: bytes) -> None:
        """Take an engine's answer; raise `BadMessageError` where it is none."""
        gap = self._under_way.pop(correlation, None)
        if gap is None:
            return
        opened = self._identity.open(envelope, gap.nonce)
        check_issuer(opened, gap.engine_id)
        result = codec.decode_result(opened.body)
        if not result.done:
            _log.error(
                "recording.gap",
                session_id=str(gap.after.session_id),
                first=gap.first,
                last=gap.last,
                engine=gap.engine_id,
                reason=result.detail,
                next_step="look into the quarantine of the engine's spool and of the database",
            )
            self._lost(gap.after, (gap.first, gap.last))
