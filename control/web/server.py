"""Serves the page on a thread with an event loop of its own: the relay's is left alone.

Whatever blocks there runs on a few more threads. Importing this imports FastAPI.
"""

import asyncio
import contextlib
import socket
import threading
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
from control.web.patience import PatientProtocol, PatientSocket

__all__ = ["Page", "PageServer", "Passkeys", "provider_of"]

_THREADS: Final = 6
"""At once: each may wait for the database, and none of them makes the relay wait long."""
_CONNECTIONS: Final = 512
_KEPT_ALIVE_S: Final = 30
_LAST_ANSWERS_S: Final = 3
_STOP_LIMIT_S: Final = 10.0
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
        self._is_stopping = False
        self._server: uvicorn.Server | None = None

    async def run(self) -> None:
        """Serve until cancelled; raise where the page ended by itself."""
        thread = threading.Thread(target=self._thread, name="page", daemon=True)
        thread.start()
        try:
            await asyncio.shield(self._ended)
        finally:
            self._is_stopping = True
            if self._server is not None:
                self._server.should_exit = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_LIMIT_S):
                    await asyncio.to_thread(thread.join, _STOP_LIMIT_S)

    def _thread(self) -> None:
        failure: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the border of a thread
            failure = error
        self._settle(failure)

    async def _serve(self) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        app = make_app(self._page, self._assets)
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws=PatientSocket,
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
        self._server = server = uvicorn.Server(config)
        server.should_exit = self._is_stopping
        # In a thread that is not the main one uvicorn leaves the signals alone.
        await server.serve(sockets=[self._listener])

    def _settle(self, failure: BaseException | None) -> None:
        def settle() -> None:
            if not self._ended.done():
                why = "without a reason" if failure is None else repr(failure)
                self._ended.set_exception(RuntimeError(f"the page ended: {why}"))

        if self._is_stopping:
            return
        with contextlib.suppress(RuntimeError):  # The node's loop has ended first.
            self._page.node_loop.call_soon_threadsafe(settle)
