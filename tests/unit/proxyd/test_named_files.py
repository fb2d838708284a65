from collections.abc import Callable
from pathlib import Path

import pytest
from peers.certificates import Authority, Signed

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
    return told(folder, **{f"PROXYD_{table}__{key}".upper(): value.format(folder=folder)})


def told(folder: Path, **given: str) -> Settings:
    return load(None, {"PROXYD_STATE_DIR": str(folder), **given})


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Authority(tmp_path).sign("ours")


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


def test_a_gateway_s_certificate_is_named_with_its_key(folder: Path) -> None:
    with pytest.raises(ConfigError, match="give both"):
        check_named_files(settings(folder, "rdp", "certificate_file", "{folder}/open"))


def with_rdp_key(folder: Path, signed: Signed) -> Settings:
    return told(
        folder,
        PROXYD_RDP__CERTIFICATE_FILE=str(signed.certificate),
        PROXYD_RDP__KEY_FILE=str(signed.key),
    )


def with_bus_key(folder: Path, signed: Signed) -> Settings:
    return told(
        folder,
        PROXYD_BUS__URL="amqps://u@host",
        PROXYD_BUS__CERTIFICATE_FILE=str(signed.certificate),
        PROXYD_BUS__KEY_FILE=str(signed.key),
    )


def with_page_key(folder: Path, signed: Signed) -> Settings:
    return told(folder, PROXYD_CONTROL__TLS=f"{signed.certificate}, {signed.key}")


@pytest.mark.parametrize("given", [with_rdp_key, with_bus_key, with_page_key])
def test_a_private_key_that_others_may_read_is_refused_as_by_the_daemon(
    folder: Path, signed: Signed, given: Callable[[Path, Signed], Settings]
) -> None:
    signed.key.chmod(0o644)
    with pytest.raises(ConfigError, match=r"ours\.key is open to .*`chmod "):
        check_named_files(given(folder, signed))
    signed.key.chmod(0o600)
    assert check_named_files(given(folder, signed)) == []


def test_a_master_key_that_others_may_read_is_refused_as_by_the_daemon(folder: Path) -> None:
    given = settings(folder, "control", "master_key_file", "{folder}/open")
    with pytest.raises(ConfigError, match=r"the master key .*/open is open to others"):
        check_named_files(given)


def test_files_are_not_signed_with_a_key_that_others_may_read_and_it_is_said(
    folder: Path, signed: Signed
) -> None:
    given = told(
        folder,
        PROXYD_RDP__SIGNING_CERTIFICATE_FILE=str(signed.certificate),
        PROXYD_RDP__SIGNING_KEY_FILE=str(signed.key),
    )
    signed.key.chmod(0o644)
    [warning] = check_named_files(given)
    assert "ours.key is open to others (mode 0644)" in warning
    assert "not signed" in warning
    signed.key.chmod(0o600)
    assert check_named_files(given) == []


def test_a_certificate_whose_signing_key_systemd_may_hold_is_fine(
    folder: Path, signed: Signed
) -> None:
    file = str(signed.certificate)
    assert check_named_files(told(folder, PROXYD_RDP__SIGNING_CERTIFICATE_FILE=file)) == []


def test_files_that_can_be_used_and_a_master_key_yet_to_be_made_are_fine(folder: Path) -> None:
    check_named_files(settings(folder, "rdp", "ca_file", "{folder}/open"))
    check_named_files(settings(folder, "control", "master_key_file", "{folder}/none"))
    (folder / "open").chmod(0o600)
    check_named_files(settings(folder, "database", "password_file", "{folder}/open"))
