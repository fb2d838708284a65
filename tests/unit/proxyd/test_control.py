from uuid import UUID

import pytest

from config.errors import ConfigError
from config.model import DatabaseSettings, Settings
from control.state_dir import Initialiser
from proxyd.control import opened_database, opened_vault
from proxyd.service import StartError
from recorder.clock import SystemClock

SESSION = UUID(int=7)


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path)


def test_a_database_of_an_unknown_kind_is_a_matter_of_settings(tmp_path):
    database = DatabaseSettings(url="mysql://host/db")
    with (
        pytest.raises(ConfigError, match="mysql is no database"),
        opened_database(Settings(state_dir=tmp_path, database=database)),
    ):
        pass


def test_a_database_that_cannot_be_opened_may_be_tried_again(tmp_path):
    settings = Settings(state_dir=tmp_path / "nowhere")
    with pytest.raises(StartError, match="check that its disk"), opened_database(settings):
        pass


def test_the_wrong_master_key_is_named(settings):
    Initialiser(settings, SystemClock()).run()
    (settings.state_dir / "master.key").write_bytes(bytes(32))
    with (
        opened_database(settings) as database,
        pytest.raises(ConfigError, match="restore the key that belongs"),
    ):
        opened_vault(settings, database)
