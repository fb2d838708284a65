"""Logs: one JSON object a line on stderr, made by structlog, read by journald.

An event is `noun.past_verb`; its values are fields. Logs are not the audit trail and
hold no secret: `Redacted` values and fields with a telling name are struck out here,
whoever logs them.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

from config.errors import ConfigError
from config.redacted import Redacted

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
STRUCK_OUT: Final = "<redacted>"
_TELLING: Final = frozenset(
    {
        "authorization",
        "credential",
        "master_key",
        "passphrase",
        "password",
        "pepper",
        "private_key",
        "secret_key",
        "token",
    }
)


def set_up(level: str) -> None:
    """Log from `level` on, to stderr; raise `ConfigError` where it is no level."""
    number = level_number(level)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _tell_exception,
            redact,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    _route_foreign()


def _to_stderr(*_names: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)


def level_number(level: str) -> int:
    """Return the number of `level`; raise `ConfigError` where it is none of ours."""
    try:
        return LEVELS[level.lower()]
    except KeyError:
        message = f"log_level: {level!r} is none of {', '.join(LEVELS)}"
        raise ConfigError(message) from None


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Strike out what must not be read, at any depth."""
    return {key: _shown(key, value) for key, value in event.items()}


def _shown(key: object, value: object) -> object:
    if isinstance(value, Redacted) or str(key).lower() in _TELLING:
        return STRUCK_OUT
    if isinstance(value, dict):
        return {inner: _shown(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(key, item) for item in value]
    return value


def _tell_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Turn `error=` into its text, and a traceback of it where the level is error."""
    error = event.get("error")
    if not isinstance(error, BaseException):
        return event
    event["error"] = f"{type(error).__name__}: {error}"
    if method in ("error", "exception"):
        event["exc_info"] = error
    return structlog.processors.format_exc_info(logger, method, event)


class _Foreign(logging.Handler):
    """Passes what a library logs on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        fields: dict[str, object] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields["error"] = record.exc_info[1]
        method = log.error if record.levelno >= logging.ERROR else log.warning
        method("library.logged", **fields)


def _route_foreign() -> None:
    """Let libraries speak from `warning` on: below it asyncssh names users."""
    root = logging.getLogger()
    root.handlers = [_Foreign()]
    root.setLevel(logging.WARNING)
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    # pika tells each failure some ten times; `bus.lost` says it once, with what to do.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
