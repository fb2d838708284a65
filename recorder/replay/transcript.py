"""A session as lines to read, each with the time at which it came to be.

What ran on a terminal is drawn on an emulated one, so a line reads as people saw it,
after editing and colours; a channel without a terminal has its lines as they came.
"""

import codecs
import re
from collections.abc import Iterable, Iterator

from recorder.events import (
    ChannelClosed,
    ChannelId,
    ChannelOpened,
    ClientData,
    CommandExited,
    CommandKilled,
    DesktopStarted,
    KnownEvent,
    RecordingGap,
    SessionEnded,
    SessionStarted,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
)
from recorder.replay.asciicast import marker
from recorder.replay.desktop import Desktop, DesktopState
from recorder.replay.export import SESSION_CHANNEL
from recorder.replay.terminal import Tell, Terminal

_LONGEST = 1000
"""Characters kept together of a line that a command writes without a line feed."""
_ACTING = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Controls, and what turns the reading direction around."""
_Shown = TargetData | TargetErrorData | TerminalRequested | TerminalResized


def transcript_lines(events: Iterable[KnownEvent]) -> Iterator[bytes]:
    """Yield the lines: `0:01:02.345  text`, in the order in which they left the screen.

    The time is that of the moment since which a line reads so. What is no text of the
    target (a command that was asked for, how it ended) begins with `--`. Of a desktop the
    lines say what was typed, clicked and copied.
    """
    transcript = _Transcript()
    for event in events:
        transcript.take(event)
        yield from transcript.told()
    transcript.close()
    yield from transcript.told()


class _Transcript:
    def __init__(self) -> None:
        self._told: list[tuple[int, str]] = []
        self._channels: dict[ChannelId, _Channel] = {}
        self._desktop: tuple[ChannelId, Desktop] | None = None
        self._last_ms = 0

    def told(self) -> Iterator[bytes]:
        """Yield what has become of the events taken since the last time."""
        lines, self._told = self._told, []
        for at_ms, text in lines:
            yield f"{_time(at_ms)}  {_visible(text)}\n".encode()

    def take(self, event: KnownEvent) -> None:
        """Take the next event."""
        self._last_ms = event.at_ms
        self._take_desktop(event)
        match event:
            case ChannelOpened(kind=kind) if kind == SESSION_CHANNEL:
                self._channels[event.channel] = _Channel(self._tell)
            case ChannelClosed():
                self._end(event.channel)
            case TargetData() | TargetErrorData() | TerminalRequested() | TerminalResized():
                if (channel := self._channels.get(event.channel)) is not None:
                    channel.take(event)
            case SessionEnded():
                self.close()
        if (remark := _remark(event)) is not None:
            for channel in self._channels.values():
                channel.tell_shown()
            self._tell(event.at_ms, f"-- {remark}")

    def close(self) -> None:
        """Tell what the open channels still show."""
        for channel in list(self._channels):
            self._end(channel)
        if self._desktop is not None:
            self._desktop[1].close()

    def _take_desktop(self, event: KnownEvent) -> None:
        if isinstance(event, DesktopStarted):
            desktop = Desktop(DesktopState.begun(event), self._tell_desktop)
            self._desktop = (event.channel, desktop)
        elif self._desktop is not None and isinstance(event, RecordingGap):
            self._desktop[1].lose(event.at_ms)
        elif self._desktop is not None and isinstance(event, TargetData | ClientData):
            channel, desktop = self._desktop
            if event.channel == channel:
                take = desktop.type if isinstance(event, ClientData) else desktop.show
                take(event.at_ms, event.data)

    def _tell_desktop(self, at_ms: int, kind: str, text: str) -> None:
        self._tell(at_ms, f"{kind}: {text}")

    def _end(self, channel: ChannelId) -> None:
        if (ended := self._channels.pop(channel, None)) is not None:
            ended.close(self._last_ms)

    def _tell(self, at_ms: int, text: str) -> None:
        self._told.append((at_ms, text))


class _Channel:
    """The lines of one channel."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._terminal: Terminal | None = None
        self._open = ""
        new_decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {
            kind: new_decoder("replace") for kind in (TargetData, TargetErrorData)
        }

    def take(self, event: _Shown) -> None:
        """Take what was shown, or the size of what it was shown on."""
        match event:
            case TargetData() | TargetErrorData():
                self._show(event.at_ms, self._decoders[type(event)].decode(event.data))
            case TerminalRequested() | TerminalResized() if self._terminal is not None:
                self._terminal.resize(event.at_ms, event.columns, event.rows)
            case TerminalRequested() | TerminalResized():
                self._terminal = Terminal(event.columns, event.rows, self._tell)

    def tell_shown(self) -> None:
        """Tell the rows that are shown, so that they come before what is told next."""
        if self._terminal is not None:
            self._terminal.tell_shown(with_cursor=False)

    def close(self, at_ms: int) -> None:
        """Tell what is still shown."""
        if self._terminal is not None:
            self._terminal.tell_shown(with_cursor=True)
        elif self._open:
            self._tell(at_ms, self._open)

    def _show(self, at_ms: int, text: str) -> None:
        if self._terminal is not None:
            self._terminal.feed(at_ms, text)
            return
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            self._tell(at_ms, line.removesuffix("\r"))
        while len(self._open) > _LONGEST:
            self._tell(at_ms, self._open[:_LONGEST])
            self._open = self._open[_LONGEST:]


def _remark(event: KnownEvent) -> str | None:
    match event:
        case SessionStarted(info=info):
            target = f"{info.target.host}:{info.target.port}"
            return f"{info.user} to {info.secret_name} ({target}), {info.started_at:%FT%TZ}"
        case CommandExited():
            return f"exit status {event.status}"
        case CommandKilled():
            return f"ended by SIG{event.signal}"
        case RecordingGap():
            return f"events are missing since {_time(event.from_ms)}: {event.reason}"
        case SessionEnded():
            return " ".join(["ended:", event.reason, event.detail]).rstrip()
        case _:
            return marker(event)


def _time(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}.{milliseconds:03}"


def _visible(text: str) -> str:
    # A transcript is read with `cat` and `less`: nothing in it may act on a terminal.
    return _ACTING.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
