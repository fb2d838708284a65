"""Pictures of a desktop session as it goes on, made in a process that can reach nothing."""

from enum import IntEnum
from multiprocessing.connection import Connection
from typing import Final

import msgspec
from msgspec import Struct

from recorder.chunk import decode
from recorder.events import Event, RecordingGap, decode_burst
from recorder.replay.live_desktop import LiveDesktop
from storage import confined
from storage.errors import ChildLostError
from storage.native_bitmaps import best_decoder

_LIMIT_S: Final = 60.0


class DrawnPicture(Struct, frozen=True, array_like=True):
    """What the desktop shows."""

    at_ms: int
    """When the newest event was that it shows."""
    png: bytes


class _Ask(IntEnum):
    CHUNK = 0
    BODIES = 1
    GAP = 2
    PICTURE = 3


class _Question(Struct, array_like=True):
    ask: _Ask
    parts: tuple[bytes, ...] = ()


class _Answer(Struct, array_like=True):
    picture: DrawnPicture | None = None
    error: str = ""


_questions = msgspec.msgpack.Decoder(_Question)
_answers = msgspec.msgpack.Decoder(_Answer)


class LivePictures:
    """Follows one desktop. Blocking; one thread at a time may use it."""

    def __init__(self, state: bytes | None = None, limit_s: float = _LIMIT_S) -> None:
        """Begin at a keyframe's state, or at the session's beginning.

        Raises `ChildUnavailableError`. Every method raises `ChildLostError` where the
        recording may be to blame.
        """
        self._limit_s = limit_s
        self._process, self._pipe = confined.start(_serve, state, "live pictures")

    def take_chunk(self, encoded: bytes, data_key: bytes) -> None:
        """Take the next stored chunk."""
        self._ask(_Question(_Ask.CHUNK, (encoded, data_key)))

    def take(self, bodies: list[bytes]) -> None:
        """Take the next frame bodies."""
        self._ask(_Question(_Ask.BODIES, tuple(bodies)))

    def lose(self) -> None:
        """Note that something is missing before what comes next."""
        self._ask(_Question(_Ask.GAP))

    def picture(self) -> DrawnPicture | None:
        """Return what is shown; None where it is what was returned last, or nothing yet."""
        return self._ask(_Question(_Ask.PICTURE)).picture

    def stop(self) -> None:
        """End the process. Any thread may."""
        confined.stop(self._process, self._pipe)

    def _ask(self, question: _Question) -> _Answer:
        try:
            self._pipe.send_bytes(msgspec.msgpack.encode(question))
            if not self._pipe.poll(self._limit_s):
                raise ChildLostError("the picture takes too long to make")
            answer = _answers.decode(self._pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise ChildLostError("the process that makes pictures died") from error
        if answer.error:
            raise ChildLostError(answer.error)
        return answer


def _serve(pipe: Connection, state: bytes | None) -> None:
    # FFmpeg takes a while to load, and is wanted in this process alone.
    from storage.encoder import png  # noqa: PLC0415

    desktop = LiveDesktop(state, best_decoder())
    shown = -1
    while True:
        question = _questions.decode(pipe.recv_bytes())
        answer = _Answer()
        try:
            if question.ask is not _Ask.PICTURE:
                for event in _events(question, desktop.at_ms):
                    desktop.take(event)
            elif desktop.drawn != shown and desktop.framebuffer is not None:
                shown = desktop.drawn
                picture = png(desktop.framebuffer, quickly=True)
                answer = _Answer(DrawnPicture(desktop.at_ms, picture))
        except Exception as error:  # noqa: BLE001 - the boundary: the parent decides
            answer = _Answer(error=f"{type(error).__name__}: {error}")
        pipe.send_bytes(msgspec.msgpack.encode(answer))


def _events(question: _Question, at_ms: int) -> list[Event]:
    match question.ask:
        case _Ask.CHUNK:
            encoded, data_key = question.parts
            return decode(encoded, data_key).unpack()
        case _Ask.GAP:
            return [RecordingGap(at_ms=at_ms, from_ms=at_ms, reason="not stored yet")]
        case _:
            return [event for body in question.parts for event in decode_burst(body)]
