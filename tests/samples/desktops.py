"""Recorded RDP sessions with real peers, and what their clients showed at the end.

Recorded between xfreerdp 2.11 and xrdp 0.9.21 or freerdp-shadow 2.11, with the screenshot that
`import -window root` took of the client's display just before it left.
"""

from functools import cache
from pathlib import Path

import av
import zstandard
from samples.chunks import INFO, chunk

from recorder.chunk import Chunk
from recorder.events import (
    ClientData,
    DesktopStarted,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    decode_burst,
)
from recorder.replay.desktop import Desktop, DesktopState
from recorder.replay.frames import Shown, survey
from recorder.replay.rdp.bitmaps import BitmapDecoder, PureDecoder
from recorder.replay.timeline import known

DATA = Path(__file__).parents[1] / "data" / "rdp"
SHOWN = ("plain", "mppc", "resized", "shadow", "bpp24", "bpp16", "bpp15")
"""Uncompressed; compressed; resized half-way; an NLA target; fewer colours."""
TYPED = ("us", "gb", "de", "fr")
"""With the keyboard layouts of these countries."""
CHANNEL = 0


@cache
def recorded(name: str) -> tuple[KnownEvent, ...]:
    """Return the events of one session, from `DesktopStarted` on."""
    packed = (DATA / f"{name}.events.zst").read_bytes()
    body = zstandard.ZstdDecompressor().decompress(packed, max_output_size=2**24)
    return tuple(known(decode_burst(body)))


def screenshot(name: str) -> bytes:
    """Return the rows of B, G, R, X bytes that the client showed at the end."""
    with av.open(str(DATA / f"{name}.png")) as container:
        frame = next(container.decode(video=0)).reformat(format="bgr0")
    data, stride = bytes(frame.planes[0]), frame.planes[0].line_size
    rows = [data[row * stride : row * stride + 4 * frame.width] for row in range(frame.height)]
    return opaque(b"".join(rows))


def opaque(pixels: bytes) -> bytes:
    """Return the pixels with every fourth byte set."""
    rows = bytearray(pixels)
    rows[3::4] = b"\xff" * (len(rows) // 4)
    return bytes(rows)


def ended(name: str, still_ms: int = 0) -> tuple[list[KnownEvent], Shown]:
    """Return a session that ends `still_ms` after its last picture, and what it shows."""
    events = [*recorded(name)]
    end = SessionEnded(at_ms=events[-1].at_ms + still_ms, reason=EndReason.CLIENT_LEFT)
    events.append(end)
    shown = survey(events)
    assert shown is not None
    return events, shown


def text_of(name: str) -> str:
    """Return a text that was copied in the session `clip`."""
    return (DATA / name).read_text("utf-8")


class Watched:
    """What a desktop showed and told."""

    def __init__(self, decoder: BitmapDecoder | None = None) -> None:
        self.lines: list[tuple[int, str, str]] = []
        self._decoder = decoder or PureDecoder()
        self._desktop: Desktop | None = None

    def take(self, events: tuple[KnownEvent, ...]) -> "Watched":
        """Take the events of a session, the first of them a `DesktopStarted`."""
        for event in events:
            if isinstance(event, TargetData):
                self.desktop.show(event.at_ms, event.data)
            elif isinstance(event, ClientData):
                self.desktop.type(event.at_ms, event.data)
            else:
                self.begin(event)
        return self

    def begin(self, event: KnownEvent) -> None:
        """Take a `DesktopStarted`."""
        assert isinstance(event, DesktopStarted)
        self._desktop = Desktop(DesktopState.begun(event), self._tell, self._decoder)
        self._desktop.resize(0, event.width_px, event.height_px)

    @property
    def desktop(self) -> Desktop:
        """The desktop, once it began."""
        assert self._desktop is not None
        return self._desktop

    @property
    def pixels(self) -> bytes:
        """The rows that are shown."""
        assert self.desktop.framebuffer is not None
        return bytes(self.desktop.framebuffer.pixels)

    def texts(self, kind: str) -> list[str]:
        """Return what was told of one kind."""
        return [text for _, one, text in self.lines if one == kind]

    def _tell(self, at_ms: int, kind: str, text: str) -> None:
        self.lines.append((at_ms, kind, text))


def desktop_chunks(name: str, events_each: int) -> list[Chunk]:
    """Return the session as an engine would have stored it."""
    events = recorded(name)
    last_ms = events[-1].at_ms
    starts = range(0, len(events), events_each)
    pieces: list[list[KnownEvent]] = [
        [SessionStarted(at_ms=0, info=INFO)],
        *(list(events[start : start + events_each]) for start in starts),
        [SessionEnded(at_ms=last_ms, reason=EndReason.CLIENT_LEFT)],
    ]
    chunks: list[Chunk] = []
    for piece in pieces:
        chunks.append(chunk(piece, chunks[-1] if chunks else None))
    return chunks
