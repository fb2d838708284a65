"""The pictures of a recorded RDP session, at the times at which they are worth a frame.

A frame is made where the picture changed, and at most every `FRAME_MS`; whatever changes, one
comes every `IDLE_MS`, for whoever enters a film there. Each shows what stood on the screen at
its time, all of that time's events included.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from recorder.errors import MalformedPduError
from recorder.events import (
    ClientData,
    DesktopStarted,
    KnownEvent,
    RecordingGap,
    SessionEnded,
    TargetData,
)
from recorder.replay.comprehend import desktop_of
from recorder.replay.desktop import Desktop, DesktopState
from recorder.replay.rdp import share
from recorder.replay.rdp.bitmaps import BitmapDecoder
from recorder.replay.rdp.framebuffer import MAX_AREA_PX, MAX_SIDE_PX, Framebuffer
from recorder.replay.rdp.input import Pointer, fast_path_input, io_channel_input
from recorder.replay.rdp.pdus import ChannelPdu, FastPathPdu, pdus
from recorder.replay.rdp.pointer import pointed
from recorder.replay.salvage import Resumed

FRAME_MS: Final = 100
"""Ten frames a second."""
IDLE_MS: Final = 10_000


class Shown(Struct, frozen=True):
    """How large the pictures of a session become, and how long it is."""

    width_px: int
    height_px: int
    duration_ms: int


def survey(events: Iterable[KnownEvent | Resumed]) -> Shown | None:
    """Return the largest size of the desktop, each way; None where no picture was recorded.

    Sizes that no desktop has are left out, as where the pictures are made.
    """
    channel = io_channel = -1
    width = height = last_ms = 0
    has_pictures = False
    for event in events:
        last_ms = event.at_ms
        sizes: list[tuple[int, int]] = []
        match event:
            case DesktopStarted():
                channel, io_channel = event.channel, event.io_channel
                sizes = [(event.width_px, event.height_px)]
            case TargetData(data=data) if event.channel == channel:
                has_pictures = True
                sizes = _sizes(data, io_channel)
            case Resumed(state=state) if (desktop := desktop_of(state)) is not None:
                has_pictures = True
                channel, io_channel = desktop.channel, desktop.io_channel
                if (shown := desktop.screen.framebuffer) is not None:
                    sizes = [(shown.width_px, shown.height_px)]
            case _:
                pass
        for one_width, one_height in sizes:
            wider, higher = max(width, one_width), max(height, one_height)
            if _fits(one_width, one_height) and _fits(wider, higher):
                width, height = wider, higher
    return Shown(width, height, last_ms) if has_pictures and width and height else None


class Frames:
    """Takes events; calls back with each frame as soon as nothing more can change it."""

    def __init__(
        self,
        decoder: BitmapDecoder,
        show: Callable[[int, Framebuffer], None],
        *,
        with_pointer: bool = False,
    ) -> None:
        """`show` is given the time and the picture, which is only good until it returns."""
        self._with_pointer = with_pointer
        self._pointer_px: tuple[int, int] | None = None
        self._decoder = decoder
        self._show = show
        self._desktop: Desktop | None = None
        self._channel = self._io_channel = 0
        self._shown_ms = -FRAME_MS
        self._marked_ms = -IDLE_MS
        """When the last frame was that others are counted from: where a film is entered."""
        self._due_ms: int | None = None
        """When the frame is due that shows what changed."""

    def take(self, event: KnownEvent | Resumed) -> None:
        """Take the next event in order of time."""
        if isinstance(event, RecordingGap):
            self._lose(event.from_ms)
        self._pass(event.at_ms)
        match event:
            case DesktopStarted():
                self._begin(event)
            case Resumed(at_ms=at_ms, state=state):
                self._resume(at_ms, state)
            case TargetData() if self._desktop is not None:
                self._draw(self._desktop, event)
            case ClientData(at_ms=at_ms, data=data) if event.channel == self._channel:
                self._point(at_ms, data)
            case SessionEnded(at_ms=at_ms):
                self.finish(at_ms)
            case _:
                pass

    def finish(self, at_ms: int) -> None:
        """Show what stands there at the end."""
        self._pass(at_ms)
        if at_ms > self._shown_ms:
            self._emit(at_ms)

    def _begin(self, event: DesktopStarted) -> None:
        self._channel, self._io_channel = event.channel, event.io_channel
        self._desktop = Desktop(DesktopState.begun(event), _nobody, self._decoder)
        self._desktop.resize(event.at_ms, event.width_px, event.height_px)
        # The session was there before the picture: what is shown until then is black.
        self._emit(0)

    def _draw(self, desktop: Desktop, event: TargetData) -> None:
        drawn = desktop.drawn
        if event.channel == self._channel:
            desktop.show(event.at_ms, event.data)
        if desktop.drawn != drawn:
            self._change(event.at_ms)

    def _lose(self, from_ms: int) -> None:
        """Show from where it is missing, not from where it goes on, that it is."""
        self._pass(from_ms)
        if self._desktop is not None:
            self._desktop.lose(from_ms)
            self._change(from_ms)

    def _resume(self, at_ms: int, state: bytes) -> None:
        """Go on from what is known again behind a gap."""
        begun = desktop_of(state)
        if begun is not None:
            self._channel, self._io_channel = begun.channel, begun.io_channel
            self._desktop = Desktop(begun, _nobody, self._decoder)
            self._change(at_ms)

    def _point(self, at_ms: int, data: bytes) -> None:
        """Follow the user's pointer, where the recording has it."""
        place = pointer_in(data, self._io_channel) if self._with_pointer else None
        if place is not None and place != self._pointer_px:
            self._pointer_px = place
            self._change(at_ms)

    def _change(self, at_ms: int) -> None:
        if self._due_ms is None:
            self._due_ms = max(at_ms, self._shown_ms + FRAME_MS)

    def _pass(self, at_ms: int) -> None:
        """Show what was due before `at_ms`."""
        while (next_ms := self._next_ms()) is not None and next_ms < at_ms:
            self._emit(next_ms)

    def _next_ms(self) -> int | None:
        """Return when the next frame is due, though nothing more happens."""
        if self._shown_ms < 0:
            return self._due_ms
        marked_ms = max(self._marked_ms + IDLE_MS, self._shown_ms + FRAME_MS)
        return marked_ms if self._due_ms is None else min(marked_ms, self._due_ms)

    def _emit(self, at_ms: int) -> None:
        framebuffer = None if self._desktop is None else self._desktop.framebuffer
        self._due_ms = None
        if framebuffer is not None:
            self._shown_ms = at_ms
            if at_ms - self._marked_ms >= IDLE_MS:
                self._marked_ms = at_ms
            with pointed(framebuffer, self._pointer_px):
                self._show(at_ms, framebuffer)


def _nobody(at_ms: int, kind: str, text: str) -> None:
    """Hear of no line."""


def _fits(width_px: int, height_px: int) -> bool:
    sides_fit = 0 < width_px <= MAX_SIDE_PX and 0 < height_px <= MAX_SIDE_PX
    return sides_fit and width_px * height_px <= MAX_AREA_PX


def pointer_in(data: bytes, io_channel: int) -> tuple[int, int] | None:
    """Return where the client's PDUs last put the pointer; None where they do not say."""
    place = None
    try:
        for pdu in pdus(data):
            if isinstance(pdu, FastPathPdu):
                events = fast_path_input(pdu)
            elif pdu.channel == io_channel:
                events = io_channel_input(pdu.body)
            else:
                continue
            for event in events:
                if isinstance(event, Pointer):
                    place = (event.x_px, event.y_px)
    except MalformedPduError:
        pass  # The index says so; a film has no place for it.
    return place


def _sizes(data: bytes, io_channel: int) -> list[tuple[int, int]]:
    """Return the sizes that the target gives its desktop in some PDUs."""
    sizes = []
    try:
        for pdu in pdus(data):
            if isinstance(pdu, ChannelPdu) and pdu.channel == io_channel:
                for control in share.share_controls(pdu.body):
                    if control.kind == share.DEMAND_ACTIVE:
                        size = share.desktop_size(control.body)
                        if size is not None:
                            sizes.append((size.width_px, size.height_px))
    except MalformedPduError:
        pass  # What comes behind it is not drawn either.
    return sizes
