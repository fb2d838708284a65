import datetime as dt
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from config.errors import ConfigError
from config.model import RDPSettings, Settings
from control.gateway_certificate import fingerprint, usable_certificate

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_one_is_made_once_and_names_the_public_host(tmp_path: Path):
    settings = Settings(state_dir=tmp_path, public_host="gate.example")
    certificate, key = usable_certificate(settings, NOW)
    assert key.stat().st_mode & 0o777 == 0o600
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gate.example"]
    before = certificate.read_bytes()
    assert usable_certificate(settings, NOW) == (certificate, key)
    assert certificate.read_bytes() == before


def test_an_address_is_named_as_one(tmp_path: Path):
    settings = Settings(state_dir=tmp_path, public_host="2001:db8::1")
    certificate, _ = usable_certificate(settings, NOW)
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["2001:db8::1"]


def test_given_files_are_used_and_both_must_be_given(tmp_path: Path):
    certificate, key = usable_certificate(Settings(state_dir=tmp_path), NOW)
    given = RDPSettings(certificate_file=certificate, key_file=key)
    elsewhere = Settings(state_dir=tmp_path / "nowhere", rdp=given)
    assert usable_certificate(elsewhere, NOW) == (certificate, key)
    half = RDPSettings(certificate_file=certificate)
    with pytest.raises(ConfigError, match="give both"):
        usable_certificate(Settings(state_dir=tmp_path, rdp=half), NOW)


def test_a_key_that_is_missing_or_open_to_others_is_not_used(tmp_path: Path):
    settings = Settings(state_dir=tmp_path)
    _, key = usable_certificate(settings, NOW)
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        usable_certificate(settings, NOW)
    key.unlink()
    with pytest.raises(ConfigError, match="missing"):
        usable_certificate(settings, NOW)


def test_where_none_can_be_made_the_operator_is_told(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be written"):
        usable_certificate(Settings(state_dir=tmp_path / "nowhere"), NOW)


def test_a_fingerprint_is_of_what_clients_are_shown(tmp_path: Path):
    certificate, key = usable_certificate(Settings(state_dir=tmp_path), NOW)
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    assert fingerprint(certificate) == hashlib.sha256(der).hexdigest()
    with pytest.raises(ConfigError, match="holds no certificate"):
        fingerprint(key)
