import pytest

from config.errors import ConfigError
from config.secret import credentials_directory, read_secret

CANARY = "hunter2-canary"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bus-password"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o600)
    return path


def test_a_closed_file_is_read_without_its_line_end(file):
    assert read_secret("bus-password", file, {}).reveal() == CANARY


def test_what_systemd_hands_over_comes_first(file, tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "bus-password").write_text("from systemd")
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert credentials_directory(environ) == folder
    assert read_secret("bus-password", file, environ).reveal() == "from systemd"
    assert read_secret("bus-password", None, environ).reveal() == "from systemd"


def test_the_file_is_read_where_systemd_has_nothing_of_that_name(file, tmp_path):
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}
    assert read_secret("bus-password", file, environ).reveal() == CANARY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_open_to_others_is_refused_with_the_remedy(file, mode):
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"`chmod 600 {file}`") as caught:
        read_secret("bus-password", file, {})
    assert CANARY not in str(caught.value)


def test_a_missing_secret_names_both_ways_to_give_it():
    with pytest.raises(ConfigError, match=r"`LoadCredential=bus-password:FILE`.*mode 0600"):
        read_secret("bus-password", None, {})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"bus-password.*none cannot be read: No such file"):
        read_secret("bus-password", tmp_path / "none", {})


def test_bytes_that_are_no_text_are_not_shown(file):
    file.write_bytes(b"hunter2\xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text") as caught:
        read_secret("bus-password", file, {})
    assert caught.value.__cause__ is None
