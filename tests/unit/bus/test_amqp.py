import pytest
from peers.certificates import Authority

from bus.amqp import is_amqp, parameters
from config.errors import ConfigError
from config.model import BusSettings
from config.redacted import Redacted

PASSWORD = Redacted("hunter2")


def test_an_url_says_where_and_the_secret_says_with_what():
    settings = BusSettings(url="amqp://engine-1@broker.example/dmz%2Fa", heartbeat_s=7)
    made = parameters(settings, PASSWORD, "engine-1")
    assert (made.host, made.port, made.virtual_host) == ("broker.example", 5672, "dmz/a")
    assert (made.credentials.username, made.credentials.password) == ("engine-1", "hunter2")
    assert made.heartbeat == 7
    assert made.ssl_options is None
    assert "hunter2" not in repr(made)


def test_amqps_means_tls_of_the_host_s_name():
    made = parameters(BusSettings(url="amqps://u@broker.example"), PASSWORD, "n")
    assert (made.port, made.virtual_host) == (5671, "/")
    assert made.ssl_options.server_hostname == "broker.example"
    assert made.ssl_options.context.check_hostname


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("amqp://u:secret@host/", "holds a password"),
        ("amqp://host/", "USER@HOST"),
        ("amqp://u@host:99999/", "bus.url"),
    ],
)
def test_an_url_that_cannot_be_used_is_named(url, complaint):
    with pytest.raises(ConfigError, match=complaint) as raised:
        parameters(BusSettings(url=url), PASSWORD, "n")
    assert "secret" not in str(raised.value).replace("a secret", "")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for setting in ("ca_file", "certificate_file", "key_file"):
        settings = BusSettings(url="amqps://u@host", **{setting: tmp_path / "nothing.pem"})
        with pytest.raises(ConfigError, match=rf"bus\.{setting}.*cannot be read"):
            parameters(settings, PASSWORD, "n")


def test_a_key_without_its_certificate_is_refused(tmp_path):
    key = tmp_path / "bus.key"
    key.touch(mode=0o600)
    with pytest.raises(ConfigError, match="stands alone"):
        parameters(BusSettings(url="amqps://u@host", key_file=key), PASSWORD, "n")


def test_a_certificate_that_is_none_is_refused(tmp_path):
    file = tmp_path / "bus.pem"
    file.write_text("no certificate")
    with pytest.raises(ConfigError, match="do not fit together"):
        parameters(BusSettings(url="amqps://u@host", certificate_file=file), PASSWORD, "n")


def test_a_key_that_others_may_read_is_refused(tmp_path):
    ours = Authority(tmp_path).sign("bus")
    ours.key.chmod(0o640)
    files = {"certificate_file": ours.certificate, "key_file": ours.key}
    settings = BusSettings(url="amqps://u@host", **files)
    with pytest.raises(ConfigError, match=r"bus\.key_file: .*bus\.key is open to others"):
        parameters(settings, PASSWORD, "n")
    ours.key.chmod(0o600)
    assert parameters(settings, PASSWORD, "n").ssl_options is not None


@pytest.mark.parametrize(("url", "is_one"), [("memory:", False), ("amqps://u@h", True)])
def test_a_broker_is_told_from_the_bus_in_this_process(url, is_one):
    assert is_amqp(url) is is_one
