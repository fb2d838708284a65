from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load
from config.model import Settings
from proxyd.named_files import check_named_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kept = tmp_path / "open"
    kept.write_text("not a key")
    kept.chmod(0o644)
    return tmp_path


def settings(folder: Path, table: str, key: str, value: str) -> Settings:
    told = {"PROXYD_STATE_DIR": str(folder)}
    told[f"PROXYD_{table}__{key}".upper()] = value.format(folder=folder)
    return load(None, told)


@pytest.mark.parametrize(
    ("table", "key", "value", "complaint"),
    [
        ("rdp", "certificate_file", "{folder}/none.pem", "none.pem is not there"),
        ("bus", "ca_file", "{folder}", "is a directory"),
        ("ldap", "ca_file", "{folder}/none.pem", "ldap.ca_file: "),
        ("database", "password_file", "{folder}/open", "is open to others .mode 0644."),
        ("control", "tls", "{folder}/open, {folder}/none.pem", "cannot be used"),
        ("control", "tls", "{folder}/open", "/path/key.pem"),
    ],
)
def test_a_file_that_is_missing_or_open_to_others_is_named_before_anything_starts(
    folder: Path, table: str, key: str, value: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check_named_files(settings(folder, table, key, value))


def test_files_that_can_be_used_and_a_master_key_yet_to_be_made_are_fine(folder: Path) -> None:
    check_named_files(settings(folder, "rdp", "certificate_file", "{folder}/open"))
    check_named_files(settings(folder, "control", "master_key_file", "{folder}/none"))
    (folder / "open").chmod(0o600)
    check_named_files(settings(folder, "database", "password_file", "{folder}/open"))
