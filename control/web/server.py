"""Serves the page on a thread with an event loop of its own: the relay's is left alone.

Whatever blocks there runs on a few more threads. Importing this imports FastAPI.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import anyio.to_thread
import uvicorn
import uvloop

from control.identity_provider import provider_of
from control.passkeys import Passkeys
from control.web.app import make_app
from control.web.certificate import PageCertificate
from control.web.page import Page
from control.web.patience import PatientProtocol

__all__ = ["Page", "PageServer", "Passkeys", "provider_of"]

_THREADS: Final = 6
"""At once: each may wait for the database, and none of them makes the relay wait long."""
_CONNECTIONS: Final = 512
_KEPT_ALIVE_S: Final = 30
_LAST_ANSWERS_S: Final = 3
_STOP_LIMIT_S: Final = 10.0
_START_LIMIT_S: Final = 60.0
_MESSAGE_BYTES: Final = 64 * 1024


class PageServer:
    """The page of one node."""

    def __init__(
        self, page: Page, assets: Path, listener: socket.socket, certificate: PageCertificate
    ) -> None:
        self._page, self._assets = page, assets
        self._listener = listener
        self._certificate = certificate
        self._ended: asyncio.Future[None] = page.node_loop.create_future()
        self._started: asyncio.Future[None] = page.node_loop.create_future()
        self._server: uvicorn.Server | None = None

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while entered; the page answers when the body begins."""
        thread = threading.Thread(target=self._thread, name="page", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                one = asyncio.FIRST_COMPLETED
                await asyncio.wait((self._started, self._ended), return_when=one)
            if self._ended.done():
                self._ended.result()
            yield
        finally:
            if self._server is not None:
                self._server.should_exit = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_LIMIT_S):
                    await asyncio.to_thread(thread.join, _STOP_LIMIT_S)
            self._listener.close()

    async def ended(self) -> None:
        """Return or raise once the page serves no more, which it never should."""
        await asyncio.shield(self._ended)

    def _thread(self) -> None:
        failure: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the border of a thread
            failure = error
        self._settle(self._ended, failure)

    async def _serve(self) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        app = make_app(self._page, self._assets)
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="websockets-sansio",
            ws_max_size=_MESSAGE_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEPT_ALIVE_S,
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
            ssl_context_factory=lambda _config, _default: self._certificate.context,
        )
        self._server = server = _Server(config, lambda: self._settle(self._started, None))
        # In a thread that is not the main one uvicorn leaves the signals alone.
        await server.serve(sockets=[self._listener])

    def _settle(self, future: asyncio.Future[None], failure: BaseException | None) -> None:
        def settle() -> None:
            if future.done():
                return
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(RuntimeError(f"the page ended: {failure!r}"))

        with contextlib.suppress(RuntimeError):  # The node's loop has ended first.
            self._page.node_loop.call_soon_threadsafe(settle)


class _Server(uvicorn.Server):
    """Says when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self._tell_started()
