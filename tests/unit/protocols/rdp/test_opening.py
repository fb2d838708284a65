"""NTLM, and when no ticket is asked for; with one: `tests/integration/test_rdp_kerberos.py`."""

import pytest
from msgspec import structs
from samples.rdp import REAL

from protocols.rdp.opening import by_kerberos, by_ntlm


@pytest.mark.parametrize("domain", ["CORP", ""])
def test_ntlm_begins_without_a_word_about_whom(domain: str):
    opening = by_ntlm(structs.replace(REAL, domain=domain), "target")
    assert (opening.token or b"").startswith(b"NTLMSSP\0\1")
    assert REAL.username.encode("utf-16-le") not in (opening.token or b"")
    assert not opening.context.complete


@pytest.mark.parametrize("host", ["10.0.0.5", "2001:db8::5"])
def test_no_ticket_is_asked_for_where_an_address_names_the_target(host: str):
    # Realms know names, and who asks in vain waits.
    assert by_kerberos(REAL, host) is None


def test_no_ticket_is_asked_for_without_a_realm():
    assert by_kerberos(structs.replace(REAL, domain=""), "target.example.org") is None


def test_where_no_ticket_is_to_be_had_there_is_none(monkeypatch, tmp_path):
    nowhere = tmp_path / "krb5.conf"
    nowhere.write_text("[libdefaults]\ndns_lookup_kdc = false\ndns_lookup_realm = false\n")
    monkeypatch.setenv("KRB5_CONFIG", str(nowhere))
    assert by_kerberos(REAL, "target.example.org") is None
