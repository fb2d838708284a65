import asyncssh.connection
import pytest

from protocols.ssh import private_names


def test_this_asyncssh_has_every_private_name_that_the_packet_relay_needs():
    assert private_names.broken() == []
    private_names.check()


def test_a_method_that_moved_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(asyncssh.connection.SSHConnection, "_recv_pkthdr")
    with pytest.raises(ImportError, match=r"SSHConnection\._recv_pkthdr"):
        private_names.check()


def test_an_attribute_that_moved_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(private_names, "ATTRIBUTES", ("_inpbuf", "_no_such_attribute"))
    assert private_names.broken() == ["SSHConnection._no_such_attribute"]


def test_a_table_of_another_form_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asyncssh.encryption._enc_params", {b"aes": (1, 2, 3)})
    assert private_names.broken() == ["asyncssh.encryption._enc_params"]
