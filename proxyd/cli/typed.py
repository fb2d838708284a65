"""What operators hand over that must not be on a command line, and how long things last."""

import re
import sys
from getpass import getpass
from pathlib import Path

import click

from proxyd.cli.errors import CommandFailedError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd])")
_MAX_LINE = 4096
_MAX_KEY_BYTES = 64 * 1024


class Duration(click.ParamType[float]):
    """How long something lasts, in seconds: `90s`, `15m`, `2h`, `1d`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        if match is None or float(match["number"]) == 0:
            self.fail(f"{value!r} is no duration: write 90s, 15m, 2h or 1d", param, ctx)
        return float(match["number"]) * _UNITS_S[match["unit"]]


def from_stdin(what: str) -> str:
    """Return one line of standard input, asked for without echo on a terminal."""
    line = getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline(_MAX_LINE + 1)
    if len(line) > _MAX_LINE:
        raise CommandFailedError(f"the {what} is longer than {_MAX_LINE} characters")
    line = line.rstrip("\r\n")
    if not line:
        raise CommandFailedError(f"no {what} came on standard input: write it there, one line")
    return line


def key_file(path: Path) -> bytes:
    """Return what is in a private key file."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_KEY_BYTES + 1)
    except OSError as error:
        raise CommandFailedError(
            f"the key file {path} cannot be read: {error.strerror}; "
            "name a file that this user may read"
        ) from error
    if len(data) > _MAX_KEY_BYTES:
        raise CommandFailedError(
            f"the key file {path} is larger than {_MAX_KEY_BYTES} bytes: this is no private key"
        )
    return data
