"""Pictures of a recorded desktop as a file, made in a process that can reach nothing."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Final

import msgspec
from msgspec import Struct

from recorder.events import ClientData, KnownEvent, TargetData, decode_burst, encode_burst
from recorder.replay.frames import Shown
from recorder.replay.salvage import Resumed
from recorder.replay.timeline import known
from storage import confined
from storage.errors import ChildLostError
from storage.native_bitmaps import best_decoder

_BATCH_BYTES: Final = 256 * 1024
_BATCH_MS: Final = 60_000
"""What is handed over at once: so that it takes nowhere near the limit."""
_LIMIT_S: Final = 120.0


class Pictures(StrEnum):
    """What is made."""

    VIDEO = "video"
    """Fragmented MP4."""
    STORYBOARD = "storyboard"
    """A PNG of thumbnails."""


class _Grown(Struct, array_like=True):
    piece: bytes
    error: str = ""


_END: Final = b""
_Question = tuple[Resumed | None, bytes]
"""A batch of events, and what is known of the desktop in front of them, behind a gap."""
_questions = msgspec.msgpack.Decoder(_Question)
_answers = msgspec.msgpack.Decoder(_Grown)


def pieces(
    events: Iterable[KnownEvent | Resumed],
    shown: Shown,
    pictures: Pictures,
    limit_s: float = _LIMIT_S,
) -> Iterator[bytes]:
    """Yield the file; `shown` is what `recorder.replay.frames.survey` says of the events.

    Raises `ChildLostError` where the recording may be to blame, `ChildUnavailableError` where
    there was no process to do it.
    """
    process, pipe = confined.start(_serve, (pictures, shown), "encoder")
    try:
        for batch in _batches(events):
            yield _answer(pipe, batch, limit_s)
        yield _answer(pipe, _END, limit_s)
    finally:
        confined.stop(process, pipe)


def _batches(events: Iterable[KnownEvent | Resumed]) -> Iterator[bytes]:
    resumed: Resumed | None = None
    batch: list[KnownEvent] = []
    size_bytes = 0
    for event in events:
        if isinstance(event, Resumed):
            yield msgspec.msgpack.encode((resumed, encode_burst(batch)))
            resumed, batch, size_bytes = event, [], 0
            continue
        batch.append(event)
        size_bytes += len(event.data) if isinstance(event, ClientData | TargetData) else 0
        if size_bytes >= _BATCH_BYTES or event.at_ms - batch[0].at_ms >= _BATCH_MS:
            yield msgspec.msgpack.encode((resumed, encode_burst(batch)))
            resumed, batch, size_bytes = None, [], 0
    yield msgspec.msgpack.encode((resumed, encode_burst(batch)))


def _answer(pipe: Connection, question: bytes, limit_s: float) -> bytes:
    try:
        pipe.send_bytes(question)
        if not pipe.poll(limit_s):
            raise ChildLostError("the pictures take too long to make")
        grown = _answers.decode(pipe.recv_bytes())
    except (EOFError, OSError) as error:
        raise ChildLostError("the process that makes pictures died") from error
    if grown.error:
        raise ChildLostError(grown.error)
    return grown.piece


def _serve(pipe: Connection, argument: tuple[Pictures, Shown]) -> None:
    # FFmpeg takes a while to load, and is wanted in this process alone.
    from storage.encoder import Storyboard, VideoEncoder  # noqa: PLC0415

    pictures, shown = argument
    make = VideoEncoder if pictures is Pictures.VIDEO else Storyboard
    making = make(shown, best_decoder())
    while True:
        question = pipe.recv_bytes()
        try:
            if question == _END:
                grown = _Grown(making.finish())
            else:
                grown = _Grown(making.feed(_asked(question)))
        except Exception as error:  # noqa: BLE001 - the boundary: the parent decides
            grown = _Grown(b"", f"{type(error).__name__}: {error}")
        pipe.send_bytes(msgspec.msgpack.encode(grown))


def _asked(question: bytes) -> list[KnownEvent | Resumed]:
    resumed, burst = _questions.decode(question)
    events = known(decode_burst(burst))
    return [*events] if resumed is None else [resumed, *events]
