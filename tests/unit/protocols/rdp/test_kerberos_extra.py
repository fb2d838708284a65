from importlib.util import find_spec

import pytest

from config.errors import ConfigError
from config.model import RDPSettings
from protocols.rdp import kerberos_extra
from protocols.rdp.kerberos_extra import check_kerberos


def test_who_asks_for_tickets_without_the_packages_for_them_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kerberos_extra, "_PACKAGES", ("gssapi_that_nobody_has", "json"))
    with pytest.raises(ConfigError, match=r"missing: gssapi_that_nobody_has: pip install"):
        check_kerberos(RDPSettings(kerberos=True))
    check_kerberos(RDPSettings())


def test_where_they_are_there_they_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kerberos_extra, "_PACKAGES", ("json",))
    check_kerberos(RDPSettings(kerberos=True))
    assert find_spec("json") is not None
