"""What a desktop session shows at present: from a keyframe on, event by event. Sans-io."""

from recorder.events import DesktopStarted, Event, RecordingGap, TargetData
from recorder.replay.comprehend import desktop_of
from recorder.replay.desktop import Desktop, DesktopState
from recorder.replay.rdp.bitmaps import BitmapDecoder
from recorder.replay.rdp.framebuffer import Framebuffer


class LiveDesktop:
    """One desktop. Whatever its bytes hold, nothing is raised."""

    def __init__(self, state: bytes | None, decoder: BitmapDecoder) -> None:
        """`state` is what `comprehend` left of the chunk before; None: the beginning."""
        self._decoder = decoder
        self._channel = 0
        self._desktop: Desktop | None = None
        self.at_ms = 0
        """When the newest event was."""
        begun = None if state is None else desktop_of(state)
        if begun is not None:
            self._follow(begun)

    @property
    def framebuffer(self) -> Framebuffer | None:
        """What is shown; None before the session shows a desktop."""
        return None if self._desktop is None else self._desktop.framebuffer

    @property
    def drawn(self) -> int:
        """Changes when what is shown does."""
        return 0 if self._desktop is None else self._desktop.drawn

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.at_ms = event.at_ms
        match event:
            case DesktopStarted():
                self._follow(DesktopState.begun(event))
                if self._desktop is not None:
                    self._desktop.resize(event.at_ms, event.width_px, event.height_px)
            case TargetData(channel=number) if self._desktop and number == self._channel:
                self._desktop.show(event.at_ms, event.data)
            case RecordingGap() if self._desktop:
                self._desktop.lose(event.at_ms)
            case _:
                pass

    def _follow(self, state: DesktopState) -> None:
        self._channel = state.channel
        self._desktop = Desktop(state, _nobody, self._decoder)


def _nobody(at_ms: int, kind: str, text: str) -> None:
    """Hear of no line."""
