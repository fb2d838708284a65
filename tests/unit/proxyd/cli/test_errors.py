import pytest

from bus.errors import BusUnavailableError
from config.errors import ConfigError
from control.errors import (
    ConflictError,
    DeniedError,
    IntegrityError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from proxyd.cli.errors import CommandFailedError, reported
from recorder.errors import CorruptChunkError


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConflictError("it is there already"), 1),
        (OSError(28, "No space left on device"), 1),
        (InvalidError("no such mode"), 2),
        (NotFoundError("no secret web"), 3),
        (DeniedError("not yours"), 4),
        (UnreachableError("no answer"), 5),
        (BusUnavailableError("no bus"), 5),
        (IntegrityError("altered"), 6),
        (CorruptChunkError("chunk 3"), 6),
        (ConfigError("proxyd.toml: ssh.port"), 78),
    ],
)
def test_an_error_has_its_exit_code(error: Exception, exit_code: int) -> None:
    with pytest.raises(CommandFailedError) as failed, reported():
        raise error
    assert failed.value.exit_code == exit_code
    assert failed.value.message == str(error)


def test_a_file_that_cannot_be_had_comes_first_and_without_a_number() -> None:
    with pytest.raises(CommandFailedError) as failed, reported():
        raise PermissionError(13, "Permission denied", "/srv/out")
    assert failed.value.message == "/srv/out: Permission denied"


def test_a_defect_of_ours_is_not_dressed_up() -> None:
    with pytest.raises(KeyError), reported():
        raise KeyError("state")


def test_a_reader_that_left_is_no_error_of_ours() -> None:
    with pytest.raises(BrokenPipeError), reported():
        raise BrokenPipeError


def test_a_message_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    CommandFailedError("no secret \x1b]0;owned\x07").show()
    assert capsys.readouterr().err == "proxyd: no secret \\x1b]0;owned\\x07\n"
