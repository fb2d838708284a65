"""What every role does with the machine around it: holds its folder, shows its metrics."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from config.secret import credentials_directory
from control.state_lock import StateDirHeldError, hold
from proxyd.metrics import Metrics, MetricsServer, NotReady
from proxyd.service import StartError, listen_error

_HOLD_PATIENCE_S: Final = 5.0
"""A command line that found no node running holds the directory for a moment."""
_HOLD_RETRY_S: Final = 0.1


@contextlib.asynccontextmanager
async def held(state_dir: Path) -> AsyncIterator[None]:
    """Hold the state directory; raise `ConfigError` or `StartError`."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _HOLD_PATIENCE_S
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold(state_dir))
                break
            except StateDirHeldError as error:
                if loop.time() > until_s:
                    raise StartError(str(error)) from error
            await asyncio.sleep(_HOLD_RETRY_S)
        yield


def credentials_dir() -> Path | None:
    """Return where systemd put our credentials, if it did."""
    return credentials_directory(os.environ)  # noqa: TID251 - systemd's word, not a setting


@contextlib.asynccontextmanager
async def measuring(metrics: Metrics, address: str, not_ready: NotReady) -> AsyncIterator[None]:
    """Serve metrics, health and readiness at `address`, where there is one."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    server = MetricsServer(metrics, host.strip("[]"), int(port), not_ready)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(server.listening())
        except OSError as error:
            raise listen_error("metrics.listen", address, error) from error
        yield
