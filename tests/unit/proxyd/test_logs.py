import json
import logging

import pytest
import structlog

from config.errors import ConfigError
from config.redacted import Redacted
from proxyd import logs

CANARY = "hunter2-canary"


@pytest.fixture
def lines(capsys):
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.set_up("info")

    def read():
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    root.handlers, root.level = before[0], before[1]
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_event_level_and_time(lines):
    structlog.get_logger().info("session.opened", user="alice")
    [line] = lines()
    assert line["event"] == "session.opened"
    assert line["level"] == "info"
    assert line["user"] == "alice"
    assert line["timestamp"].endswith("Z")


def test_what_is_bound_to_the_connection_is_in_every_line(lines):
    with structlog.contextvars.bound_contextvars(session_id="7"):
        structlog.get_logger().info("session.opened")
    structlog.get_logger().info("session.ended")
    opened, ended = lines()
    assert opened["session_id"] == "7"
    assert "session_id" not in ended


def test_below_the_level_nothing_is_written(lines):
    structlog.get_logger().debug("session.opened")
    assert lines() == []


@pytest.mark.parametrize(
    "field",
    [
        {"password": CANARY},
        {"Private_Key": CANARY},
        {"value": Redacted(CANARY)},
        {"request": {"inner": {"passphrase": CANARY}}},
        {"request": [{"token": CANARY}]},
        {"values": [Redacted(CANARY)]},
    ],
)
def test_no_secret_is_logged_at_any_depth(lines, capsys, field):
    structlog.get_logger().warning("credential.opened", **field)
    written = capsys.readouterr().err
    assert CANARY not in written
    assert logs.STRUCK_OUT in written


def test_an_error_is_named_and_a_defect_has_its_traceback(lines):
    try:
        int("seven")
    except ValueError as error:
        structlog.get_logger().warning("chunk.refused", error=error)
        structlog.get_logger().error("chunk.refused", error=error)
    expected, defect = lines()
    assert expected["error"] == "ValueError: invalid literal for int() with base 10: 'seven'"
    assert "exception" not in expected
    assert "Traceback" in defect["exception"]


def test_a_library_is_heard_from_warning_on(lines):
    logging.getLogger("asyncssh").info("Beginning auth for user alice")
    logging.getLogger("asyncssh").warning("something is odd")
    [line] = lines()
    assert line["event"] == "library.logged"
    assert line["text"] == "something is odd"


def test_an_unknown_level_is_named():
    with pytest.raises(ConfigError, match="log_level: 'loud' is none of debug, info"):
        logs.level_number("loud")
