"""What a client showed, and what its recording shows."""

import base64
import time

from peers.display import Display
from peers.recording import Recording
from samples.desktops import Watched

from recorder.events import ClientData, DesktopStarted, KnownEvent, TargetData


def settled(display: Display) -> bytes:
    """Return a screenshot that stays the same for a second."""
    shots = [b"", display.screenshot()]
    while shots[-1] != shots[-2]:
        time.sleep(1)
        shots.append(display.screenshot())
    return shots[-1]


def events_of(recording: Recording) -> tuple[KnownEvent, ...]:
    """Return what the recording holds of a desktop, as it was recorded."""
    events: list[KnownEvent] = []
    kinds = {"client_data": ClientData, "target_data": TargetData}
    for row in recording.events("desktop_started", *kinds):
        at_ms, kind = row.pop("at_ms"), row.pop("type")
        if kind == "desktop_started":
            row["static_channels"] = tuple(tuple(pair) for pair in row["static_channels"])
            events.append(DesktopStarted(at_ms=at_ms, **row))
        else:
            data = base64.b64decode(row["data_base64"])
            events.append(kinds[kind](at_ms=at_ms, channel=row["channel"], data=data))
    return tuple(events)


def rgb_of(recording: Recording) -> bytes:
    """Return the last picture as a screenshot is."""
    events = events_of(recording)
    assert isinstance(events[0], DesktopStarted)
    assert events[0].compression == 1
    pixels = Watched().take(events).pixels
    rgb = bytearray(len(pixels) // 4 * 3)
    rgb[0::3], rgb[1::3], rgb[2::3] = pixels[2::4], pixels[1::4], pixels[0::4]
    return bytes(rgb)
