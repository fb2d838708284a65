import pytest

from config.errors import ConfigError
from config.model import DatabaseSettings, Settings
from control.errors import ControlError
from control.open_database import open_database


def test_it_is_migrated_and_closed_again(tmp_path):
    with open_database(Settings(state_dir=tmp_path)) as database, database.read():
        assert database.path == tmp_path / "proxyd.db"


def test_another_kind_of_database_is_a_matter_of_settings():
    with (
        pytest.raises(ConfigError, match="is no database of this version: write sqlite:"),
        open_database(Settings(database=DatabaseSettings(url="mysql://localhost/x"))),
    ):
        pass


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "proxyd.db").write_bytes(b"hunter2" * 1000)
    with (
        pytest.raises(ControlError, match=r"proxyd\.db"),
        open_database(Settings(state_dir=tmp_path)),
    ):
        pass
