"""HTTP connections that do not wait for ever, and do not all belong to one."""

import asyncio
from collections import Counter
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_LIMIT_S: Final = 10.0
"""How long a connection may take for the head of a request, the first or a later one."""
READ_LIMIT_S: Final = 300.0
"""How long a browser may read nothing of an answer; one that plays on asks again."""
_PER_SOURCE: Final = 100
"""Connections at once from one address: a browser has six, an office behind one has more."""


class PatientProtocol(H11Protocol):
    """Uvicorn's, with limits of time for who sends and who reads, and of number by source."""

    from_source: ClassVar[Counter[str]] = Counter()
    """Open connections by address, of this process; touched by the page's loop alone."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._source = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it where its source has too many."""
        super().connection_made(transport)
        self._source = self.client[0] if self.client else ""
        self.from_source[self._source] += 1
        if self.from_source[self._source] > _PER_SOURCE:
            transport.close()
            return
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Go on reading; the clock runs while a head is incomplete."""
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._deadline is None:
            self._await_head()

    def pause_writing(self) -> None:
        """Send no more for now; the clock runs until something was read."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """Go on sending."""
        self._stop_awaiting_reader()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._stop_waiting()
        self._stop_awaiting_reader()
        self.forget(self._source)

    @classmethod
    def forget(cls, source: str) -> None:
        """Count one connection of `source` less."""
        cls.from_source[source] -= 1
        if cls.from_source[source] <= 0:
            del cls.from_source[source]

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_LIMIT_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        is_ours = self.transport.get_protocol() is self  # Not since it became a WebSocket.
        if is_ours and not self._is_answering():
            self.transport.close()

    def _await_reader(self) -> None:
        unread_bytes = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(READ_LIMIT_S, self._look, unread_bytes)

    def _stop_awaiting_reader(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _look(self, unread_bytes: int) -> None:
        """Cut off who has read nothing since; his answer then ends."""
        if self.transport.get_write_buffer_size() < unread_bytes:
            self._await_reader()
        else:
            self.transport.abort()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request.
        return cycle is not None and not cycle.response_complete


class PatientSocket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, which takes a connection over from `PatientProtocol`."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection: who made it is told of its end no more."""
        super().connection_lost(exc)
        PatientProtocol.forget(self.client[0] if self.client else "")
