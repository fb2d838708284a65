import datetime as dt

import pytest
from cryptography import x509

from config.errors import ConfigError
from control.web.certificate import PageCertificate

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)


def certificate(folder) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "page_certificate.pem").read_bytes())


def test_one_is_made_for_the_names_of_the_node_and_kept(tmp_path):
    PageCertificate(tmp_path, "self-signed", "bastion.example.org").load(NOW)
    made = certificate(tmp_path)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["bastion.example.org", "localhost"]
    assert (tmp_path / "page_key.pem").stat().st_mode & 0o077 == 0
    PageCertificate(tmp_path, "self-signed", "bastion.example.org").load(NOW)
    assert certificate(tmp_path) == made


def test_one_that_will_soon_expire_is_made_anew(tmp_path):
    page = PageCertificate(tmp_path, "self-signed", "192.0.2.1")
    page.load(NOW)
    first = certificate(tmp_path)
    page.load(NOW + dt.timedelta(days=380))
    assert certificate(tmp_path).not_valid_after_utc > first.not_valid_after_utc


def test_one_that_is_given_is_shown(tmp_path):
    PageCertificate(tmp_path, "self-signed", "x").load(NOW)
    given = f"{tmp_path}/page_certificate.pem, {tmp_path}/page_key.pem"
    PageCertificate(tmp_path / "other", given, "x").load(NOW)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("given", ["/nowhere.pem", "/nowhere.pem, /nowhere.key", "a,b,c", ","])
def test_what_cannot_be_used_is_said(tmp_path, given):
    with pytest.raises(ConfigError, match=r"control\.tls"):
        PageCertificate(tmp_path, given, "x").load(NOW)


def test_a_key_that_everybody_may_read_is_refused(tmp_path):
    PageCertificate(tmp_path, "self-signed", "x").load(NOW)
    (tmp_path / "page_key.pem").chmod(0o644)
    given = f"{tmp_path}/page_certificate.pem, {tmp_path}/page_key.pem"
    with pytest.raises(ConfigError, match="open to everybody"):
        PageCertificate(tmp_path, given, "x").load(NOW)
