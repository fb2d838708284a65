"""The page in a bundle: the player of the web page with all that it would ask a server for."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

import proxyd
from proxyd.cli.stored import StoredSession
from recorder.chunk import Chunk
from recorder.errors import CorruptChunkError
from recorder.events import Event, RecordingGap
from recorder.replay.comprehend import Line, Screen, behind_gap, comprehend, screens
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
    plan,
)

_ASSETS: Final = Path(proxyd.__file__).parent / "assets" / "asciinema-player"
_IDLE_LIMIT_MS: Final = 2000
_MOST_CHANNELS: Final = 16
"""In a page, terminals first; each is read and packed for itself."""


def terminal_page(session: StoredSession) -> str:
    """Return the page that plays the session's terminals, one at a time."""
    understood = _Understood(session.recording().chunks())
    opened = channels_of(understood.outlined)
    # The first one is played unless another is chosen.
    chosen = sorted(opened, key=lambda one: not one.has_terminal)[:_MOST_CHANNELS]
    channels = [
        _channel(plan(understood.outlined, one), understood, session.recording().chunks())
        for one in chosen
    ]
    return _page(session, understood, channels or [_unplayed(understood)])


def desktop_page(session: StoredSession) -> str:
    """Return the page that shows the video beside it, and what was typed."""
    # Its pictures are in the video: drawing them again, in this process, would take long.
    understood = _Understood((), with_screens=False)
    for piece in session.salvage().pieces():
        if piece.gap is not None:
            understood.lose(piece.gap, piece.state)
        understood.take(piece.chunk)
    return _page(session, understood, [_unplayed(understood)])


class _Channel(Struct, frozen=True, kw_only=True):
    """What `bundle.js` is handed of one channel."""

    channel: int
    at_ms: int
    has_terminal: bool
    index: msgspec.Raw
    segments: list[msgspec.Raw]
    overviews: list[msgspec.Raw]
    """With pauses, and without."""


class _Understood:
    """What the page knows of a recording, read once."""

    def __init__(self, chunks: Iterable[Chunk], *, with_screens: bool = True) -> None:
        self._with_screens = with_screens
        self.outlined: list[OutlinedChunk] = []
        self.screens: dict[int, list[Screen]] = {}
        """By the chunk that begins with them."""
        self.lines: list[Line] = []
        self._state: bytes | None = None
        with contextlib.suppress(CorruptChunkError):
            # Up to here it is shown; `verify` says what is wrong.
            for chunk in chunks:
                self.take(chunk)

    def take(self, chunk: Chunk) -> None:
        """Take the next chunk; raise `CorruptChunkError`."""
        done = comprehend(
            self._state, chunk.encoded, chunk.data_key, with_screens=self._with_screens
        )
        header, self._state = chunk.header, done.state
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
        self.screens[header.sequence + 1] = screens(done.state)

    def lose(self, gap: RecordingGap, state: bytes) -> None:
        """Go on behind a gap, from `state` where that is known."""
        text = f"(proxyd: events are missing here: {gap.reason})"
        self.lines.append(Line(at_ms=gap.from_ms, kind="output", channel=None, text=text))
        self._state = state or behind_gap(self._state)


def _channel(planned: Plan, understood: _Understood, chunks: Iterable[Chunk]) -> _Channel:
    opened = planned.opened
    return _Channel(
        channel=opened.channel,
        at_ms=opened.at_ms,
        has_terminal=opened.has_terminal,
        index=msgspec.Raw(encode_index(planned, understood.outlined)),
        segments=[msgspec.Raw(one) for one in _segments(planned, understood, chunks)],
        overviews=_overviews(understood, opened.channel),
    )


def _unplayed(understood: _Understood) -> _Channel:
    return _Channel(
        channel=0,
        at_ms=0,
        has_terminal=False,
        index=msgspec.Raw(b"null"),
        segments=[],
        overviews=_overviews(understood, 0),
    )


def _overviews(understood: _Understood, channel: int) -> list[msgspec.Raw]:
    chunks = understood.outlined
    return [
        msgspec.Raw(encode_overview(chunks, clock_of(chunks, channel, limit_ms), channel))
        for limit_ms in (None, _IDLE_LIMIT_MS)
    ]


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


def _page(session: StoredSession, understood: _Understood, channels: list[_Channel]) -> str:
    # Here, not above: it reads templates, which few commands need.
    from control.web.player import (  # noqa: PLC0415
        DESKTOP_LISTS,
        TERMINAL_LISTS,
        bundle_page,
        player_markup,
    )

    one = session.summary
    recording = msgspec.json.encode(
        {
            "channels": channels,
            "lines": sorted(understood.lines, key=lambda line: line.at_ms),
        }
    )
    when = f"{one.started_at:%Y-%m-%d %H:%M} UTC"
    return bundle_page(
        title=f"{one.user} on {one.secret} ({one.target}), {when}",
        session_id=one.id,
        recording=recording,
        channels=channels,
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
