"""Processes that read hostile recordings: little memory, no network, no files but their own.

What such a process is asked and answers goes through one pipe. It may be killed at any time.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, TypeVar

from storage.errors import ChildUnavailableError
from storage.readable import leave_own_files
from storage.system_calls import give_up_privileges

_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 5.0
_MEMORY_LIMIT_BYTES: Final = 2 * 1024**3
_NICENESS: Final = 10
_OOM_SCORE: Final = 500
"""Where memory runs out this process goes first, not the daemon that records."""

_Argument = TypeVar("_Argument")


def start(
    serve: Callable[[Connection, _Argument], None], argument: _Argument, name: str
) -> tuple[BaseProcess, Connection]:
    """Start a process that runs `serve` until the pipe closes; return it once it is ready.

    Raises `ChildUnavailableError`.
    """
    try:
        process, pipe = _spawn(serve, argument, name)
    except OSError as error:
        raise ChildUnavailableError(
            f"the process that reads recordings cannot be started: {error.strerror or error}"
        ) from error
    try:
        if pipe.poll(_START_LIMIT_S) and pipe.recv_bytes() == b"ready":
            return process, pipe
        reason = "did not start in time"
    except (EOFError, OSError):
        reason = "died before it was ready"
    stop(process, pipe)
    raise ChildUnavailableError(f"the process that reads recordings {reason}")


def stop(process: BaseProcess, pipe: Connection) -> None:
    """End the process, whatever it does."""
    process.kill()
    process.join(_STOP_LIMIT_S)
    pipe.close()


def _spawn(
    serve: Callable[[Connection, _Argument], None], argument: _Argument, name: str
) -> tuple[BaseProcess, Connection]:
    # Spawned, not forked: the daemon has threads, and secrets in its memory.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, serve, argument), name=name, daemon=True
    )
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def _serve(
    pipe: Connection, serve: Callable[[Connection, _Argument], None], argument: _Argument
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon.
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # Not every sandbox has a /proc.
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where the kernel has neither, the limits above are all there is.
    give_up_privileges()
    leave_own_files()
    try:
        pipe.send_bytes(b"ready")
        serve(pipe, argument)
    except (EOFError, OSError):
        return  # The daemon is gone, or needs this process no more.
