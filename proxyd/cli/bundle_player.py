"""The page in a bundle: the player of the web page with all that it would ask a server for."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

import proxyd
from proxyd.cli.stored import StoredSession
from recorder.chunk import Chunk
from recorder.errors import CorruptChunkError
from recorder.events import Event
from recorder.replay.comprehend import Line, Screen, comprehend, screens
from recorder.replay.outline import Outline, decode_outline
from recorder.replay.segments import (
    OutlinedChunk,
    Plan,
    Segment,
    channels_of,
    clock_of,
    encode_index,
    encode_overview,
    encode_segment,
    first_played,
    plan,
)

_ASSETS: Final = Path(proxyd.__file__).parent / "assets" / "asciinema-player"
_IDLE_LIMIT_MS: Final = 2000


def terminal_page(session: StoredSession) -> str:
    """Return the page that plays the session's first terminal."""
    understood = _Understood(session.recording().chunks())
    opened = first_played(channels_of(understood.outlined))
    segments: list[bytes] = []
    index = b"null"
    if opened is not None:
        planned = plan(understood.outlined, opened)
        index = encode_index(planned, understood.outlined)
        segments = list(_segments(planned, understood, session.recording().chunks()))
    channel = 0 if opened is None else opened.channel
    return _page(session, understood, channel, index, segments)


def desktop_page(session: StoredSession) -> str:
    """Return the page that shows the video beside it, and what was typed."""
    understood = _Understood(session.recording().chunks())
    return _page(session, understood, 0, b"null", [])


class _Understood:
    """What the page knows of a recording, read once."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self.outlined: list[OutlinedChunk] = []
        self.screens: dict[int, list[Screen]] = {}
        """By the chunk that begins with them."""
        self.lines: list[Line] = []
        state: bytes | None = None
        for chunk in chunks:
            try:
                done = comprehend(state, chunk.encoded, chunk.data_key)
            except CorruptChunkError:
                return  # Up to here it is shown; `verify` says what is wrong.
            state, header = done.state, chunk.header
            self.lines += done.lines
            self.outlined.append(
                OutlinedChunk(
                    sequence=header.sequence,
                    first_ms=header.first_ms,
                    last_ms=header.last_ms,
                    has_keyframe=True,
                    outline=decode_outline(done.outline) or Outline(),
                )
            )
            self.screens[header.sequence + 1] = screens(state)


def _segments(
    planned: Plan, understood: _Understood, chunks: Iterable[Chunk]
) -> Iterator[bytes]:
    reading = iter(chunks)
    for segment in planned.segments:
        shown = understood.screens.get(segment.sequence, [])
        own = (one for one in shown if one.channel == planned.opened.channel)
        yield encode_segment(planned, segment, next(own, None), _events(reading, segment))


def _events(reading: Iterator[Chunk], segment: Segment) -> Iterator[Event]:
    for _ in range(segment.sequence, segment.until):
        chunk = next(reading, None)
        if chunk is None:
            return
        yield from chunk.unpack()


def _page(
    session: StoredSession,
    understood: _Understood,
    channel: int,
    index: bytes,
    segments: list[bytes],
) -> str:
    # Here, not above: it reads templates, which few commands need.
    from control.web.player import (  # noqa: PLC0415
        DESKTOP_LISTS,
        TERMINAL_LISTS,
        bundle_page,
        player_markup,
    )

    one, outlined = session.summary, understood.outlined
    overviews = [
        encode_overview(outlined, clock_of(outlined, channel, limit_ms), channel)
        for limit_ms in (None, _IDLE_LIMIT_MS)
    ]
    recording = msgspec.json.encode(
        {
            "index": msgspec.Raw(index),
            "segments": [msgspec.Raw(segment) for segment in segments],
            "overviews": [msgspec.Raw(overview) for overview in overviews],
            "lines": sorted(understood.lines, key=lambda line: line.at_ms),
        }
    )
    when = f"{one.started_at:%Y-%m-%d %H:%M} UTC"
    return bundle_page(
        title=f"{one.user} on {one.secret} ({one.target}), {when}",
        session_id=one.id,
        recording=recording,
        player=player_markup(
            base="",
            channel=None,
            started_at=one.started_at,
            verify="",
            video="session.mp4" if session.is_desktop else "",
            lists=DESKTOP_LISTS if session.is_desktop else TERMINAL_LISTS,
        ),
        folder=_ASSETS,
    )
