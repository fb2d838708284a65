import tomllib
from pathlib import Path

import msgspec

from config.load import load
from config.model import BlobSettings, BusSettings, Settings, SSHSettings
from config.show import show


def test_what_is_shown_can_be_loaded_again(tmp_path):
    settings = Settings(
        state_dir=Path('/srv/"odd" \\ name\n\x7f é'),
        ssh=SSHSettings(listen=(), source_penalties=False, idle_timeout_s=0.5),
    )
    path = tmp_path / "shown.toml"
    path.write_text(show(settings))
    effective = msgspec.structs.replace(settings.database, url=settings.database_url)
    assert load(path, {}) == msgspec.structs.replace(settings, database=effective)


def test_the_effective_database_is_shown():
    database = tomllib.loads(show(Settings()))["database"]
    assert database["url"] == "sqlite:////var/lib/proxyd/proxyd.db"


def test_a_table_within_a_table_reads_back():
    sites = {"lyon": "s3://bucket/lyon", 'an "odd" one': "database:"}
    settings = Settings(blobs=BlobSettings(sites=sites))
    assert tomllib.loads(show(settings))["blobs"]["sites"] == sites


def test_what_is_not_set_is_said():
    assert "# master_key_file is not set" in show(Settings())


def test_a_password_in_an_address_is_starred_out():
    shown = show(Settings(bus=BusSettings(url="amqp://proxyd:hunter2@broker:5672/x")))
    assert 'url = "amqp://proxyd:***@broker:5672/x"' in shown
