"""The targets behind the demo: a shell and a desktop, each in a process of its own."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from proxyd.service import StartError

_START_S: Final = 15
_STOP_S: Final = 5


class SSHTarget(Struct, frozen=True, kw_only=True):
    """What `protocols.ssh.demo_target` says of itself."""

    host: str
    port: int
    username: str
    password: str
    host_key: str


class DesktopTarget(Struct, frozen=True, kw_only=True):
    """What `protocols.rdp.demo_desktop` says of itself."""

    host: str
    port: int
    username: str
    password: str
    certificate: str
    """SHA-256 of it, in hex."""


_Said = TypeVar("_Said", bound=Struct)


class DemoTarget(Generic[_Said]):
    """One that was started, and may not listen yet."""

    def __init__(self, name: str, child: asyncio.subprocess.Process, says: type[_Said]) -> None:
        self._name, self.child, self._says = name, child, says

    async def place(self) -> _Said:
        """Return what it says of itself; raise `StartError` where it says nothing."""
        if self.child.stdout is None:
            raise StartError(f"the {self._name} has no output")
        try:
            async with asyncio.timeout(_START_S):
                line = await self.child.stdout.readline()
                return msgspec.json.decode(line, type=self._says)
        except (TimeoutError, msgspec.DecodeError) as error:
            raise StartError(
                f"the {self._name} did not start: see what it says above"
            ) from error

    async def watch(self) -> None:
        """Wait for its end, which nobody asked for; raise `StartError`."""
        await self.child.wait()
        raise StartError(f"the {self._name} ended: start the demo again")


@contextlib.asynccontextmanager
async def demo_target(
    module: str, name: str, says: type[_Said]
) -> AsyncIterator[DemoTarget[_Said]]:
    """Run a target in a process of its own, which Ctrl-C in our terminal does not reach."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield DemoTarget(name, child, says)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        async with asyncio.timeout(_STOP_S):
            await child.wait()


def ssh_target() -> contextlib.AbstractAsyncContextManager[DemoTarget[SSHTarget]]:
    """Start the shell."""
    return demo_target("protocols.ssh.demo_target", "demo target", SSHTarget)


def desktop_target() -> contextlib.AbstractAsyncContextManager[DemoTarget[DesktopTarget]]:
    """Start the desktop."""
    return demo_target("protocols.rdp.demo_desktop", "demo desktop", DesktopTarget)
