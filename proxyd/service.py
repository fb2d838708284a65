"""Runs a node: one TaskGroup from start to end, signals, systemd, exit codes.

SIGTERM and SIGINT drain: the node stops listening, tells users, ends sessions, seals
and ships; a second one ends it at once. SIGHUP re-reads what may change while running.
An exception that reaches this module comes from an essential part, never from one
session: the process ends with 1, and the service manager starts it again.
"""

import asyncio
import contextlib
import ctypes
import errno
import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import structlog
import uvloop

from config.errors import ConfigError
from proxyd.notify import Systemd

NEW_LOOP: Final[Callable[[], asyncio.AbstractEventLoop]] = uvloop.new_event_loop
"""asyncio's own loop fits here too: it takes a few hundredths of a millisecond longer to
pass a key on, and nothing more for bulk."""

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 78
"""`EX_CONFIG`: a restart will not help, and the unit file says so to systemd."""

_GC_THRESHOLDS: Final = (50_000, 20, 50)
"""Packets make much short-lived garbage without cycles: look for cycles less often."""
_SWITCH_INTERVAL_S: Final = 0.0005
"""Each write to a file gives the interpreter to another thread, and the relay waits this
long to have it back: 5 ms, the default, is what a user would feel in every echo."""
_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 512 * 1024
"""What is larger is memory of its own, given back as soon as it is let go: a chunk being
sealed. By default glibc keeps what was as large as that, in each thread. A burst is smaller."""
_STATUS_INTERVAL_S: Final = 10.0
_PR_SET_DUMPABLE: Final = 4

_log = structlog.get_logger()


class StartError(Exception):
    """The node cannot start now, but may later: a port is taken, another daemon runs."""


class Node(Protocol):
    """What a role is made of."""

    async def serve(self, started: Callable[[], None]) -> None:
        """Start, call `started` once everything listens, and serve until cancelled.

        Raises `ConfigError` or `StartError` where it cannot start, and anything else
        where an essential part died.
        """
        ...

    async def drain(self) -> None:
        """Stop listening, tell users, end sessions, seal, ship. Bounded in time."""
        ...

    def reload(self) -> None:
        """Read again what may change while running; raise `ConfigError`."""
        ...

    def status(self) -> str:
        """Say in one line how it is."""
        ...


def run(node: Node, systemd: Systemd | None = None) -> int:
    """Run `node` until it ends or is told to end; return the exit code."""
    harden()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=NEW_LOOP) as runner:
        try:
            return runner.run(_Service(node, systemd or Systemd()).live())
        except Exception as error:  # noqa: BLE001 - the outermost boundary
            return _ended_by(list(leaves(error)))


def harden() -> None:
    """Keep memory from core dumps and debuggers, give back what was large, open many files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if hasattr(libc, "mallopt"):  # glibc's own
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # "unlimited" may be more than allowed.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen_error(setting: str, address: str, error: BaseException) -> Exception:
    """Return why `address` cannot be listened on, in words that lead on."""
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return StartError(
                f"{address} is in use by another program: stop it, or set {setting} "
                f"to another port"
            )
        case errno.EACCES | errno.EPERM:
            return ConfigError(
                f"{setting}: {address} needs CAP_NET_BIND_SERVICE: grant it to the service, "
                "or take a port from 1024 up"
            )
        case errno.EADDRNOTAVAIL:
            return ConfigError(
                f"{setting}: {address} is no address of this machine: set one that "
                "`ip address` shows, or 0.0.0.0"
            )
    if isinstance(error, socket.gaierror):
        return ConfigError(
            f"{setting}: the name in {address} is not known: write an address of this machine, "
            "or 0.0.0.0"
        )
    return ConfigError(f"{setting}: cannot listen on {address}: {error}")


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors inside an exception group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def _ended_by(errors: list[BaseException]) -> int:
    """Tell what ended the daemon; return the exit code."""
    for error in errors:
        if isinstance(error, ConfigError | StartError):
            sys.stderr.write(f"proxyd: {error}\n")
        else:
            _log.error("daemon.failed", error=error)
    only_settings = all(isinstance(error, ConfigError) for error in errors)
    return EXIT_CONFIGURATION if only_settings else EXIT_FAILED


class _Service:
    """One life of a node."""

    def __init__(self, node: Node, systemd: Systemd) -> None:
        self._node = node
        self._systemd = systemd
        self._started = asyncio.Event()
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()

    async def live(self) -> int:
        """Serve, then drain; return the exit code."""
        with self._signals():
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self._node.serve(self._on_started))
                beating = tasks.create_task(self._beat())
                await self._stop.wait()
                drained = await self._drain(tasks)
                beating.cancel()
                serving.cancel()
        _log.info("daemon.stopped", drained=drained)
        return EXIT_OK if drained else EXIT_FAILED

    def _on_started(self) -> None:
        # What start-up made lives as long as the process: never look through it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        self._started.set()
        self._systemd.ready(self._node.status())
        _log.info("daemon.started", status=self._node.status())

    async def _drain(self, tasks: asyncio.TaskGroup) -> bool:
        """Return whether the node came to a clean end before it was told to hurry."""
        if not self._started.is_set():
            return True
        self._systemd.stopping()
        _log.info("daemon.draining")
        draining = tasks.create_task(self._node.drain())
        hurried = tasks.create_task(self._stop_now.wait())
        await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
        drained = draining.done()
        draining.cancel()
        hurried.cancel()
        return drained

    async def _beat(self) -> None:
        """Show systemd that the event loop turns, and how the node is."""
        await self._started.wait()
        interval_s = min(_STATUS_INTERVAL_S, self._systemd.watchdog_interval_s or 10)
        while True:
            self._systemd.alive()
            self._systemd.status(self._node.status())
            await asyncio.sleep(interval_s)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: self._on_stop,
            signal.SIGINT: self._on_stop,
            signal.SIGHUP: self._on_reload,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _on_stop(self) -> None:
        if self._stop.is_set():
            self._stop_now.set()
        self._stop.set()

    def _on_reload(self) -> None:
        try:
            self._node.reload()
        except ConfigError as error:
            _log.error("settings.refused", error=str(error))
        else:
            _log.info("settings.reloaded")
