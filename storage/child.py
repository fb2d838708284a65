"""The child process in which chunks are understood, held to limits of time and memory.

Recordings hold whatever targets and users sent. What breaks the emulator breaks this
child, and neither the daemon nor the next chunk.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from recorder.replay.comprehend import Comprehension, comprehend
from storage.errors import StorageError

TIME_LIMIT_S = 60.0
_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 5.0
_MEMORY_LIMIT_BYTES = 2 * 1024**3
_CHUNKS_PER_PROCESS = 1000
"""Then a fresh process: what leaked goes with the old one."""
_NICENESS = 10
_OOM_SCORE = 500
"""Where memory runs out this process goes first, not the daemon that records."""


class Comprehend(Protocol):
    """What the child does: `recorder.replay.comprehend.comprehend`."""

    def __call__(
        self,
        state: bytes | None,
        encoded_chunk: bytes,
        data_key: bytes,
        *,
        with_screens: bool,
    ) -> Comprehension:
        """Return what the chunk means after `state`."""
        ...


class ChildLostError(StorageError):
    """The child died, took too long, or met what it could not understand."""


class ChildUnavailableError(StorageError):
    """The child did not start. No chunk is to blame: try again later."""


class _Answer(Struct, array_like=True):
    comprehension: Comprehension | None
    error: str = ""


_TOO_LONG = _Answer(None, "it takes too long to understand")
_Question = tuple[bytes | None, bytes, bytes, bool]
_questions = msgspec.msgpack.Decoder(_Question)
_answers = msgspec.msgpack.Decoder(_Answer)


class Child:
    """Starts with the first chunk. One thread asks; any thread may stop it."""

    def __init__(
        self, work: Comprehend = comprehend, time_limit_s: float = TIME_LIMIT_S
    ) -> None:
        self._work = work
        self._time_limit_s = time_limit_s
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._answered = 0
        self._changing = threading.Lock()

    def comprehend(
        self,
        state: bytes | None,
        encoded: bytes,
        data_key: bytes = b"",
        *,
        with_screens: bool = True,
    ) -> Comprehension:
        """Return what the chunk means after `state`.

        Raises `ChildLostError` where the chunk may be to blame, `ChildUnavailableError`
        where there was no child to give it to.
        """
        pipe = self._ready_pipe()
        try:
            pipe.send_bytes(msgspec.msgpack.encode((state, encoded, data_key, with_screens)))
            answered = pipe.poll(self._time_limit_s)
            answer = _answers.decode(pipe.recv_bytes()) if answered else _TOO_LONG
        except (EOFError, OSError) as error:
            self.stop()
            raise ChildLostError("the process that reads recordings died") from error
        if answer is _TOO_LONG:
            self.stop()
        if answer.comprehension is None:
            raise ChildLostError(answer.error)
        return answer.comprehension

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def stop(self) -> None:
        """End the process, whatever it does; the next chunk starts another."""
        with self._changing:
            process, self._process = self._process, None
            pipe, self._pipe = self._pipe, None
        if process is not None:
            process.kill()
            process.join(_STOP_LIMIT_S)
        if pipe is not None:
            pipe.close()

    def _ready_pipe(self) -> Connection:
        if self._answered >= _CHUNKS_PER_PROCESS:
            self.stop()
        with self._changing:
            if self._pipe is None:
                self._process, self._pipe = _start(self._work)
                self._answered = 0
            self._answered += 1
            return self._pipe


def _start(work: Comprehend) -> tuple[BaseProcess, Connection]:
    try:
        process, pipe = _spawn(work)
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
    process.kill()
    process.join(_STOP_LIMIT_S)
    pipe.close()
    raise ChildUnavailableError(f"the process that reads recordings {reason}")


def _spawn(work: Comprehend) -> tuple[BaseProcess, Connection]:
    # Spawned, not forked: the daemon has threads, and secrets in its memory.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), name="indexer", daemon=True)
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def _serve(pipe: Connection, work: Comprehend) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon.
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # Not every sandbox has a /proc.
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pipe.send_bytes(b"ready")
        while True:
            question = _questions.decode(pipe.recv_bytes())
            pipe.send_bytes(msgspec.msgpack.encode(_answer(work, question)))
    except (EOFError, OSError):
        return  # The daemon is gone, or needs this process no more.


def _answer(work: Comprehend, question: _Question) -> _Answer:
    state, encoded, data_key, with_screens = question
    try:
        return _Answer(work(state, encoded, data_key, with_screens=with_screens))
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it is, the parent decides
        return _Answer(None, f"{type(error).__name__}: {error}")
