"""A recorded RDP session: what its user saw, typed, clicked and copied, each with its time.

Pure, and resumable at any chunk: the state holds the whole picture and the history that
compressed PDUs refer to. Whatever bytes a peer sent, nothing is raised; what cannot be read is
left out, and said among the lines.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from recorder.errors import MalformedPduError
from recorder.events import DesktopStarted
from recorder.replay.rdp import clipboard
from recorder.replay.rdp.bitmaps import BitmapDecoder, PureDecoder
from recorder.replay.rdp.bulk import UnknownHistoryError
from recorder.replay.rdp.clipboard import Clipboard, ClipboardFile, ClipboardText
from recorder.replay.rdp.framebuffer import Framebuffer
from recorder.replay.rdp.input import fast_path_input, io_channel_input
from recorder.replay.rdp.keyboard import Keyboard
from recorder.replay.rdp.pdus import ChannelPdu, FastPathPdu, pdus
from recorder.replay.rdp.screen import Screen, ScreenState
from recorder.replay.rdp.typed import Typing
from recorder.replay.rdp.virtual_channel import Reassembly

Tell = Callable[[int, str, str], None]
"""Is told `at_ms`, the kind and the text of a line."""
TYPED, CLICKED = "input", "click"
"""Kinds of what a user did."""
_IO_CHANNEL: Final = 1003
_MAX_COPIED_LINE: Final = 900
_MAX_COPIED_LINES: Final = 2000
"""Of one text; the rest is only in the recording."""
_GAP: Final = "(proxyd: the recording has a gap: the picture is unknown until it is drawn anew)"
_NOT_DRAWN: Final = (
    "(proxyd: the target drew in a way that was not agreed: the picture lacks something)"
)
_MORE: Final = "(more was copied than is indexed: the rest is only in the recording)"


class DesktopState(Struct, array_like=True):
    """What carries a desktop over to the next chunk."""

    channel: int = 0
    """By which its data are known in the recording."""
    io_channel: int = _IO_CHANNEL
    clipboard_channel: int | None = None
    screen: ScreenState = field(default_factory=ScreenState)
    typing: Typing = field(default_factory=Typing)
    clipboard: Clipboard = field(default_factory=Clipboard)
    from_client: Reassembly = field(default_factory=Reassembly)
    from_target: Reassembly = field(default_factory=Reassembly)
    lost: bool = False
    """Whether something of the target's is missing before what comes next."""

    @staticmethod
    def begun(event: DesktopStarted) -> "DesktopState":
        """Return what a session begins with."""
        named = {name.lower(): number for number, name in event.static_channels}
        return DesktopState(
            channel=event.channel,
            io_channel=event.io_channel,
            clipboard_channel=named.get(clipboard.CHANNEL_NAME),
            typing=Typing(keyboard=Keyboard(layout=event.keyboard_layout)),
        )

    def lose(self) -> None:
        """Note that a chunk is missing here."""
        self.lost = True
        self.typing.lose()
        self.from_client, self.from_target = Reassembly(), Reassembly()


class Desktop:
    """Follows one RDP session. Without a decoder no picture is made."""

    def __init__(
        self, state: DesktopState, tell: Tell, decoder: BitmapDecoder | None = None
    ) -> None:
        self._state = state
        self._tell = tell
        self._draws = decoder is not None
        decoder = decoder or PureDecoder()
        try:
            self._screen = Screen(decoder, state.screen)
        except MalformedPduError:
            self._screen = Screen(decoder)
            state.lost = True

    @property
    def framebuffer(self) -> Framebuffer | None:
        """What is shown; None before the first size is known."""
        return self._screen.framebuffer

    @property
    def drawn(self) -> int:
        """Counts what changed the picture."""
        return self._screen.drawn

    def resize(self, at_ms: int, width_px: int, height_px: int) -> None:
        """Take the size that the client asked for."""
        try:
            self._screen.resize(width_px, height_px)
        except MalformedPduError as error:
            self._complain(at_ms, "client", error)

    def show(self, at_ms: int, data: bytes) -> None:
        """Take PDUs of the target."""
        self._heed_gap(at_ms)
        not_drawn, size_px = self._screen.not_drawn, self._screen.size_px
        try:
            for pdu in pdus(data):
                self._from_target(at_ms, pdu)
        except MalformedPduError as error:
            self._complain(at_ms, "target", error)
        if self._screen.not_drawn != not_drawn:
            self._tell(at_ms, "output", _NOT_DRAWN)
        now_px = self._screen.size_px
        if size_px and now_px and size_px != now_px:
            self._tell(at_ms, "output", "(proxyd: the desktop is now {} x {})".format(*now_px))

    def type(self, at_ms: int, data: bytes) -> None:
        """Take PDUs of the client."""
        try:
            for pdu in pdus(data):
                self._from_client(at_ms, pdu)
        except MalformedPduError as error:
            self._complain(at_ms, "client", error)

    def lose(self, at_ms: int) -> None:
        """Note a gap in the recording."""
        self._state.lose()
        self._heed_gap(at_ms)

    def close(self) -> None:
        """Tell what was left open."""
        for line in self._state.typing.finish():
            self._tell(line.at_ms, TYPED, line.text)

    def suspend(self) -> DesktopState:
        """Return the state for the next chunk."""
        if not self._draws:
            self._state.lost = True
        self._state.screen = self._screen.state()
        return self._state

    def _heed_gap(self, at_ms: int) -> None:
        if self._draws and self._state.lost:
            self._state.lost = False
            self._screen.lose()
            self._tell(at_ms, "output", _GAP)

    def _from_target(self, at_ms: int, pdu: FastPathPdu | ChannelPdu) -> None:
        try:
            if isinstance(pdu, ChannelPdu) and pdu.channel == self._state.clipboard_channel:
                self._copy(at_ms, pdu.body, from_client=False)
            elif not self._draws:
                return
            elif isinstance(pdu, FastPathPdu):
                self._screen.fast_path(pdu)
            elif pdu.channel == self._state.io_channel:
                self._screen.io_channel(pdu.body)
        except UnknownHistoryError:
            return  # Behind a gap, which was told.
        except MalformedPduError as error:
            self._complain(at_ms, "target", error)

    def _from_client(self, at_ms: int, pdu: FastPathPdu | ChannelPdu) -> None:
        try:
            if isinstance(pdu, ChannelPdu) and pdu.channel == self._state.clipboard_channel:
                self._copy(at_ms, pdu.body, from_client=True)
                return
            if isinstance(pdu, FastPathPdu):
                events = fast_path_input(pdu)
            elif pdu.channel == self._state.io_channel:
                events = io_channel_input(pdu.body)
            else:
                return
            for event in events:
                for line in self._state.typing.take(at_ms, event):
                    self._tell(line.at_ms, TYPED if line.typed else CLICKED, line.text)
        except MalformedPduError as error:
            self._complain(at_ms, "client", error)

    def _copy(self, at_ms: int, data: memoryview, *, from_client: bool) -> None:
        reassembly = self._state.from_client if from_client else self._state.from_target
        message = reassembly.add(data)
        if message is None:
            return
        for crossed in self._state.clipboard.take(message, from_client=from_client):
            direction = "to target" if crossed.to_target else "from target"
            if isinstance(crossed, ClipboardFile):
                self._tell(at_ms, "file", f"copied {direction}: {_described(crossed)}")
            else:
                self._tell_text(at_ms, direction, crossed)

    def _tell_text(self, at_ms: int, direction: str, crossed: ClipboardText) -> None:
        lines = [part for line in crossed.text.splitlines() for part in _parts(line)]
        for part in lines[:_MAX_COPIED_LINES]:
            self._tell(at_ms, "clipboard", f"{direction}: {part}")
        if len(lines) > _MAX_COPIED_LINES:
            self._tell(at_ms, "clipboard", _MORE)

    def _complain(self, at_ms: int, whose: str, error: MalformedPduError) -> None:
        # The same complaint within half a minute is told once, as a line shown again is.
        self._tell(at_ms, "output", f"(proxyd: a PDU of the {whose} cannot be read: {error})")


def _parts(line: str) -> list[str]:
    """Cut a line that is longer than the index takes."""
    starts = range(0, len(line), _MAX_COPIED_LINE)
    return [line[start : start + _MAX_COPIED_LINE] for start in starts]


def _described(file: ClipboardFile) -> str:
    return (
        f"{file.name} (folder)" if file.is_folder else f"{file.name} ({file.size_bytes} bytes)"
    )
