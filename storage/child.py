"""The child process in which chunks are understood, held to limits of time and memory.

Recordings hold whatever targets and users sent. What breaks the emulator breaks this
child, and neither the daemon nor the next chunk.
"""

import threading
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

import msgspec
from msgspec import Struct

from recorder.replay.comprehend import Comprehension, comprehend
from recorder.replay.rdp.bitmaps import BitmapDecoder
from storage import confined
from storage.errors import ChildLostError, ChildSlowError
from storage.native_bitmaps import best_decoder

TIME_LIMIT_S = 60.0
_CHUNKS_PER_PROCESS = 1000
"""Then a fresh process: what leaked goes with the old one."""


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


@cache
def _decoder() -> BitmapDecoder:
    return best_decoder()


def comprehend_natively(
    state: bytes | None,
    encoded_chunk: bytes,
    data_key: bytes = b"",
    *,
    with_screens: bool = True,
) -> Comprehension:
    """Comprehend with the fastest decoder that is installed. For the child alone."""
    return comprehend(
        state, encoded_chunk, data_key, with_screens=with_screens, decoder=_decoder()
    )


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
        self, work: Comprehend = comprehend_natively, time_limit_s: float = TIME_LIMIT_S
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
        share_of_time: float = 1.0,
    ) -> Comprehension:
        """Return what the chunk means after `state`, within a share of the time limit.

        Raises `ChildLostError` where the chunk may be to blame, `ChildUnavailableError`
        where there was no child to give it to.
        """
        pipe = self._ready_pipe()
        try:
            pipe.send_bytes(msgspec.msgpack.encode((state, encoded, data_key, with_screens)))
            answered = pipe.poll(share_of_time * self._time_limit_s)
            answer = _answers.decode(pipe.recv_bytes()) if answered else _TOO_LONG
        except (EOFError, OSError) as error:
            self.stop()
            raise ChildLostError("the process that reads recordings died") from error
        if answer is _TOO_LONG:
            self.stop()
            raise ChildSlowError(answer.error)
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
        if process is not None and pipe is not None:
            confined.stop(process, pipe)

    def _ready_pipe(self) -> Connection:
        if self._answered >= _CHUNKS_PER_PROCESS:
            self.stop()
        with self._changing:
            if self._pipe is None:
                self._process, self._pipe = confined.start(_serve, self._work, "indexer")
                self._answered = 0
            self._answered += 1
            return self._pipe


def _serve(pipe: Connection, work: Comprehend) -> None:
    while True:
        question = _questions.decode(pipe.recv_bytes())
        pipe.send_bytes(msgspec.msgpack.encode(_answer(work, question)))


def _answer(work: Comprehend, question: _Question) -> _Answer:
    state, encoded, data_key, with_screens = question
    try:
        return _Answer(work(state, encoded, data_key, with_screens=with_screens))
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it is, the parent decides
        return _Answer(None, f"{type(error).__name__}: {error}")
