"""What crossed, in files: the target's bytes, the client's bytes, or every event.

The bytes are exactly those that were captured, in recorded order, of the channels
that were opened as sessions; what went through forwards is among the events alone.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

import msgspec

from recorder.events import (
    ChannelId,
    ChannelOpened,
    ClientData,
    DesktopStarted,
    Event,
    KnownEvent,
    RecordingGap,
    TargetData,
    TargetErrorData,
    UnknownEvent,
)
from recorder.replay.desktop import TYPED, Desktop, DesktopState

SESSION_CHANNEL = "session"
"""The channel type of shells, commands and subsystems (RFC 4254 6.1)."""

_encoder = msgspec.json.Encoder()


def output_bytes(events: Iterable[KnownEvent]) -> Iterator[bytes]:
    """Yield what the target sent on session channels, both streams as they came."""
    return (
        event.data
        for event in _of_session_channels(events)
        if isinstance(event, TargetData | TargetErrorData)
    )


def input_bytes(events: Iterable[KnownEvent]) -> Iterator[bytes]:
    """Yield what the client sent on session channels, without what was masked."""
    return (
        event.data for event in _of_session_channels(events) if isinstance(event, ClientData)
    )


def typed_text(events: Iterable[KnownEvent]) -> Iterator[bytes]:
    """Yield what was typed on a desktop by line, keys that type nothing by their names."""
    typed: list[str] = []

    def tell(_at_ms: int, kind: str, text: str) -> None:
        if kind == TYPED:
            typed.append(f"{text}\n")

    desktop: Desktop | None = None
    channel = 0
    for event in events:
        match event:
            case DesktopStarted(channel=channel):
                desktop = Desktop(DesktopState.begun(event), tell)
            case ClientData(at_ms=at_ms, data=data) if desktop and event.channel == channel:
                desktop.type(at_ms, data)
            case RecordingGap(at_ms=at_ms) if desktop:
                desktop.lose(at_ms)
            case _:
                continue
        yield from (line.encode(errors="replace") for line in typed)
        typed.clear()
    if desktop is not None:
        desktop.close()
    yield from (line.encode(errors="replace") for line in typed)


def event_lines(events: Iterable[Event]) -> Iterator[bytes]:
    """Yield one line of JSON for each event, in recorded order.

    `data` is in `data_base64`, a digest in hex, and other raw bytes are text where they
    are UTF-8, else in `…_base64`. A kind that this version lacks is `unknown`, whole.
    """
    for event in events:
        yield _encoder.encode(_plain(event)) + b"\n"


def _of_session_channels(events: Iterable[KnownEvent]) -> Iterator[KnownEvent]:
    channels: set[ChannelId] = set()
    for event in events:
        match event:
            case ChannelOpened(kind=kind, channel=channel) if kind == SESSION_CHANNEL:
                channels.add(channel)
            case ClientData() | TargetData() | TargetErrorData():
                if event.channel in channels:
                    yield event
            case _:
                pass


def _plain(event: Event) -> dict[str, object]:
    if isinstance(event, UnknownEvent):
        return {"at_ms": event.at_ms, "type": "unknown", "data_base64": _base64(event.body)}
    line: dict[str, object] = {"at_ms": event.at_ms, "type": _TYPE_NAMES[type(event)]}
    for name in event.__struct_fields__[1:]:
        value = getattr(event, name)
        if isinstance(value, bytes):
            key, text = _AS_JSON.get(name, _as_text)(name, value)
            line[key] = text
        else:
            line[name] = value
    return line


def _as_base64(name: str, value: bytes) -> tuple[str, str]:
    return f"{name}_base64", _base64(value)


def _as_hex(name: str, value: bytes) -> tuple[str, str]:
    return name, value.hex()


def _as_text(name: str, value: bytes) -> tuple[str, str]:
    try:
        return name, value.decode()
    except UnicodeDecodeError:
        return _as_base64(name, value)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_AS_JSON: dict[str, Callable[[str, bytes], tuple[str, str]]] = {
    "data": _as_base64,
    "modes": _as_base64,
    "sha256": _as_hex,
}
_TYPE_NAMES = {
    kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    for kind in get_args(KnownEvent)
}
"""Each kind in snake case: `target_data`."""
