"""Settings are judged before anything starts."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.model import BusSettings, Settings
from proxyd.kinds import check_kinds


def test_the_defaults_can_be_used(tmp_path: Path):
    check_kinds(Settings(state_dir=tmp_path))


def test_a_broker_asks_for_no_other_database_than_there_is(tmp_path: Path):
    check_kinds(Settings(state_dir=tmp_path, bus=BusSettings(url="amqps://a@broker/site")))


def test_a_bus_that_this_version_lacks_is_named(tmp_path: Path):
    settings = Settings(state_dir=tmp_path, bus=BusSettings(url="pigeon:"))
    with pytest.raises(ConfigError, match="pigeon: is no bus"):
        check_kinds(settings)


def test_a_password_in_the_address_of_the_broker_is_found_before_the_start(tmp_path: Path):
    settings = Settings(state_dir=tmp_path, bus=BusSettings(url="amqps://a:pw@broker/site"))
    with pytest.raises(ConfigError, match=r"bus\.url holds a password"):
        check_kinds(settings)
