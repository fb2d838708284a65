"""Errors as operators meet them: one line on standard error and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from bus.errors import BusUnavailableError
from config.errors import ConfigError
from control.errors import (
    ControlError,
    DeniedError,
    IntegrityError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from proxyd.cli.output import printable
from recorder.errors import CorruptChunkError, RecorderError

FAILED = 1
USAGE = 2
NOT_FOUND = 3
DENIED = 4
UNREACHABLE = 5
INTEGRITY = 6
CONFIGURATION = 78
"""`EX_CONFIG` of sysexits.h."""

EXIT_CODES: dict[type[Exception], int] = {
    InvalidError: USAGE,
    NotFoundError: NOT_FOUND,
    DeniedError: DENIED,
    UnreachableError: UNREACHABLE,
    BusUnavailableError: UNREACHABLE,
    IntegrityError: INTEGRITY,
    CorruptChunkError: INTEGRITY,
    ConfigError: CONFIGURATION,
    ControlError: FAILED,
    RecorderError: FAILED,
    OSError: FAILED,
}
"""The first class that an error belongs to decides."""


class CommandFailedError(click.ClickException):
    """An error that has found its exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # Click reads it here too.

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message; what came from a target or a user cannot act on the terminal."""
        click.echo(f"proxyd: {printable(self.message)}", err=True, file=file)


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors of the packages below into `CommandFailedError`."""
    try:
        yield
    except BrokenPipeError:
        raise  # The reader of our output left; click ends quietly.
    except tuple(EXIT_CODES) as error:
        code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
        raise CommandFailedError(_in_words(error), code) from error


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
