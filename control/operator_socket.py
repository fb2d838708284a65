"""Where operators reach a running node: a Unix socket in the state directory.

Only root and the node's own user get an answer, whatever the socket's mode became. What
blocks runs on threads; a client that dies or stalls hurts nobody but itself.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import structlog

from bus.errors import BusError
from control.answers import Result
from control.errors import ControlError, DeniedError, UnreachableError
from control.operator_name import operator_name
from control.ports import CarriesOut
from control.requests import LiveFrames, LivePicture, LiveRequest, WatchDesktop
from control.state_lock import SOCKET_NAME, socket_address
from control.wire import (
    MAX_REQUEST_BYTES,
    decode_request,
    encode_end,
    encode_failure,
    encode_item,
    framed,
    read_body,
)

_MAX_CONNECTIONS = 128
_MAX_THREADS = 4
"""asyncio's pool has six and more: some are left for users who log on meanwhile."""
_REQUEST_LIMIT_S = 10.0
_WRITE_LIMIT_S = 3600.0
"""An operator may pause a playback; one who pauses longer has forgotten it."""
_ACCEPT_AGAIN_S = 1.0
_SOCKET_MODE = 0o600
_PEER = struct.Struct("3i")
"""`struct ucred`: pid, uid, gid."""

_log = structlog.get_logger()

Follow = Callable[[UUID], AsyncIterator[bytes]]
"""Yields the frame bodies of a live session until it ends; raises `BusError`."""

Watch = Callable[[UUID], AsyncIterator[LivePicture]]
"""Yields what a live desktop shows until it ends; raises `BusError` or `ControlError`."""


class OperatorSocket:
    """Serves operators. The state directory must be held (`control.state_dir.hold`)."""

    def __init__(
        self,
        state_dir: Path,
        operations: CarriesOut,
        follow: Follow,
        watch: Watch | None = None,
    ) -> None:
        self._state_dir = state_dir
        self._operations = operations
        self._follow_session, self._watch_desktop = follow, watch
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._threads = asyncio.Semaphore(_MAX_THREADS)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer operators while entered; the socket is there when the body begins."""
        listener = _listen(self._state_dir)
        try:
            async with asyncio.TaskGroup() as tasks:
                accepting = tasks.create_task(self._accept(listener))
                try:
                    yield
                finally:
                    accepting.cancel()
        finally:
            listener.close()
            (self._state_dir / SOCKET_NAME).unlink(missing_ok=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while True:
                await self._slots.acquire()
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:
                    # Out of files, or gone before it was accepted: no reason to end a daemon.
                    self._slots.release()
                    _log.error("operator.unheard", error=str(error))
                    await asyncio.sleep(_ACCEPT_AGAIN_S)
                    continue
                connections.create_task(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        try:
            uid = _peer_uid(connection)
            reader, writer = await asyncio.open_unix_connection(sock=connection)
            try:
                await self._answer(uid, reader, writer)
            finally:
                writer.close()
                # The last answers may still be in the buffer: the socket outlives them.
                async with asyncio.timeout(_WRITE_LIMIT_S):
                    await writer.wait_closed()
        except (OSError, EOFError, TimeoutError) as error:
            _log.debug("operator.left", error=repr(error))
        except Exception as error:  # noqa: BLE001 - the boundary of one connection
            _log.error("operator.failed", error=error)
        finally:
            connection.close()
            self._slots.release()

    async def _answer(
        self, uid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            if uid not in {0, os.geteuid()}:
                raise DeniedError(f"{operator_name(uid)} may not give proxyd orders: use sudo")
            async with asyncio.timeout(_REQUEST_LIMIT_S):
                body = await read_body(reader, MAX_REQUEST_BYTES)
            request = decode_request(body)
            results = self._operations.carry_out(request, operator_name(uid))
            await self._send_all(writer, results)
            if isinstance(request, LiveRequest):
                await self._follow(request, reader, writer)
            await _send(writer, encode_end())
        except ControlError as error:
            await _send(writer, encode_failure(error))

    async def _send_all(self, writer: asyncio.StreamWriter, results: Iterator[Result]) -> None:
        while (result := await self._step(results)) is not None:
            await _send(writer, encode_item(result))

    async def _step(self, results: Iterator[Result]) -> Result | None:
        async with self._threads:
            return await asyncio.to_thread(next, results, None)

    async def _follow(
        self, request: LiveRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(request, writer))
                leaving = tasks.create_task(_cancel_when_gone(reader, feeding))
                feeding.add_done_callback(lambda _: leaving.cancel())
        except ExceptionGroup as group:
            # The feed alone can fail, so there is one.
            raise group.exceptions[0] from None

    async def _feed(self, request: LiveRequest, writer: asyncio.StreamWriter) -> None:
        try:
            async for item in self._live(request):
                await _send(writer, encode_item(item))
        except BusError as error:
            raise UnreachableError(
                f"session {request.id} cannot be followed: {error}"
            ) from error

    async def _live(self, request: LiveRequest) -> AsyncIterator[LiveFrames | LivePicture]:
        if not isinstance(request, WatchDesktop):
            async for body in self._follow_session(request.id):
                yield LiveFrames(body=body)
        elif self._watch_desktop is not None:
            async for picture in self._watch_desktop(request.id):
                yield picture


async def _cancel_when_gone(
    reader: asyncio.StreamReader, feeding: "asyncio.Task[None]"
) -> None:
    # A quiet session gives nothing to write, so only reading shows that the client left.
    await reader.read(1)
    feeding.cancel()


async def _send(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(framed(body))
    async with asyncio.timeout(_WRITE_LIMIT_S):
        await writer.drain()


def _listen(state_dir: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)  # noqa: FBT003 - positional in the standard library
    try:
        # Before it has a name: the kernel gives the file this mode, and no moment is open.
        os.fchmod(listener.fileno(), _SOCKET_MODE)
        with socket_address(state_dir) as address:
            # Whoever left it behind is dead: we hold the state directory.
            (state_dir / SOCKET_NAME).unlink(missing_ok=True)
            listener.bind(address)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _peer_uid(connection: socket.socket) -> int:
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _pid, uid, _gid = _PEER.unpack(peer)
    return int(uid)
