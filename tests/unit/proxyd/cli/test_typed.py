import click
import pytest

from proxyd.cli.errors import CommandFailedError
from proxyd.cli.typed import Duration, key_file


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1.5h", 5400), ("1d", 86400), (7.0, 7)]
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "0s", "-1m", "1w", "1 h"])
def test_anything_else_is_none(text):
    with pytest.raises(click.BadParameter, match="write 90s, 15m, 2h or 1d"):
        Duration().convert(text, None, None)


def test_a_huge_file_is_no_key(tmp_path):
    (tmp_path / "huge").write_bytes(bytes(65 * 1024))
    with pytest.raises(CommandFailedError, match="this is no private key"):
        key_file(tmp_path / "huge")
