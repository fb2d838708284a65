"""Asks for tickets, where settings say so, in threads of their own.

The libraries block for as long as a realm is silent. So long nobody waits for them, neither a
session nor the end of the daemon, and so no pool of threads that others need is used.
"""

import asyncio
import contextlib
import threading
from typing import Final

from config.model import RDPSettings
from protocols.rdp.opening import Opening, by_kerberos
from protocols.rdp.wire.ts_request import PasswordCredentials

_THREAD: Final = "kerberos"
_AT_ONCE: Final = 64
"""Of threads that wait for a realm; whoever comes then logs on by NTLM."""


async def opened(
    credentials: PasswordCredentials, host: str, settings: RDPSettings
) -> Opening | None:
    """Return a login by Kerberos, where settings ask for it and a ticket is to be had."""
    waiting = sum(one.name == _THREAD for one in threading.enumerate())
    if not settings.kerberos or waiting >= _AT_ONCE:
        return None
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Opening | None] = loop.create_future()

    def ask() -> None:
        opening = by_kerberos(credentials, host)
        # The loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, answer, opening)

    threading.Thread(target=ask, name=_THREAD, daemon=True).start()
    try:
        async with asyncio.timeout(settings.dial_timeout_s):
            return await answer
    except TimeoutError:
        return None


def _tell(answer: "asyncio.Future[Opening | None]", opening: Opening | None) -> None:
    if not answer.done():
        answer.set_result(opening)
