import pytest

from config.errors import ConfigError
from config.model import BlobSettings, DatabaseSettings, Settings
from control.errors import ControlError
from control.open_database import open_blob_store, open_database


def test_it_is_migrated_and_closed_again(tmp_path):
    with open_database(Settings(state_dir=tmp_path)) as database, database.read():
        assert database.place == f"database {tmp_path}/proxyd.db"


def test_another_kind_of_database_is_a_matter_of_settings():
    with (
        pytest.raises(ConfigError, match="is no database of this version: write sqlite:"),
        open_database(Settings(database=DatabaseSettings(url="mysql://localhost/x"))),
    ):
        pass


def test_the_password_comes_from_a_file_or_from_systemd(tmp_path, postgresql_server):
    url = postgresql_server.url("postgres").replace(
        f"@/postgres?host={postgresql_server.folder}", "@127.0.0.1/postgres?"
    )
    wrong, right = tmp_path / "wrong", tmp_path / "database-password"
    for path, password in ((wrong, "canary"), (right, "open sesame")):
        path.write_text(f"{password}\n")
        path.chmod(0o600)
    settings = Settings(database=DatabaseSettings(url=url, password_file=wrong))
    with (
        pytest.raises(ControlError, match="check the role, its password") as caught,
        open_database(settings),
    ):
        pass
    assert "canary" not in str(caught.value)
    # It may come in, but owns nothing there: that is the next thing to say.
    with (
        pytest.raises(ControlError, match="owner of its database"),
        open_database(settings, tmp_path),
    ):
        pass


def test_a_password_in_the_url_is_refused_and_not_shown():
    settings = DatabaseSettings(url="postgresql+psycopg2://proxyd:canary@db/proxyd")
    with (
        pytest.raises(ConfigError, match="password_file") as caught,
        open_database(Settings(database=settings)),
    ):
        pass
    assert "canary" not in str(caught.value)


def test_the_blob_store_is_opened_with_the_keys_that_systemd_has(tmp_path):
    settings = Settings(blobs=BlobSettings(url="az://recordings"))
    with pytest.raises(ConfigError, match="az://recordings cannot be used"):
        open_blob_store(settings)
    keys = '["az://recordings"]\naccount_name = "a"\naccount_key = "c2VjcmV0"\n'
    (tmp_path / "blob-credentials").write_text(keys)
    open_blob_store(settings, tmp_path)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "proxyd.db").write_bytes(b"hunter2" * 1000)
    with (
        pytest.raises(ControlError, match=r"proxyd\.db"),
        open_database(Settings(state_dir=tmp_path)),
    ):
        pass
