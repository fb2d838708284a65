"""What operators type for times: moments of the calendar, and places in a recording."""

import datetime as dt
import re

import click

from recorder.clock import SystemClock
from recorder.ports import Clock

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhdw])(?:\s+ago)?")
_PLACE = re.compile(r"\+?(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:\.\d+)?)")
_AFTER = re.compile(r"\+?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class Moment(click.ParamType[dt.datetime]):
    """RFC 3339, a date, or how long ago: `2026-11-23T20:00:00Z`, `2026-11-23`, `2h`, `3d`.

    A time without an offset is UTC, as every time that proxyd prints. A date is its
    first moment, or, with `end_of_day`, its last.
    """

    name = "time"

    def __init__(self, *, end_of_day: bool = False, clock: Clock | None = None) -> None:
        self._end_of_day = end_of_day
        self._clock = clock or SystemClock()

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """Return the moment, in UTC."""
        if isinstance(value, dt.datetime):
            return value
        text = str(value).strip()
        try:
            if ago := _AGO.fullmatch(text):
                seconds = float(ago["number"]) * _UNITS_S[ago["unit"]]
                return self._clock.now() - dt.timedelta(seconds=seconds)
            return self._on_the_calendar(text)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is no time: write 2026-11-23T20:00:00Z, 2026-11-23 or 2h")

    def _on_the_calendar(self, text: str) -> dt.datetime:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        if self._end_of_day and len(text) == len("2026-11-23"):
            moment += dt.timedelta(days=1, microseconds=-1)
        return moment.astimezone(dt.UTC)


class Position(click.ParamType[int]):
    """A place in a recording, in milliseconds: `90`, `1:30`, `1:02:03.5`, `+2m`, `+1h5m`."""

    name = "position"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return milliseconds since the session began."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        match = _PLACE.fullmatch(text) or (_AFTER.fullmatch(text) if text.strip("+") else None)
        if match is None:
            self.fail(f"{text!r} is no place in a recording: write 90, 1:30, 1:02:03 or +2m")
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return round((hours * 3600 + minutes * 60 + seconds) * 1000)


def position_text(at_ms: int) -> str:
    """Return a place as `--at` takes it: `1:02:03.5`, to the tenth below."""
    tenths = at_ms // 100
    minutes, tenths_of_minute = divmod(tenths, 600)
    seconds = f"{tenths_of_minute // 10:02}.{tenths_of_minute % 10}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds}" if hours else f"{minutes}:{seconds}"
