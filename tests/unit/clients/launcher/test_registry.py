import pytest

from clients.errors import DeniedError, UsageError
from clients.launcher.link import Address
from clients.launcher.registry import Registry, Server, server_of

GATE = Address("gate.example", 8443)
DIGITS = "ab" * 32


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "launcher.json"


def test_what_was_registered_is_remembered_for_its_user_alone(path):
    server = Server(fingerprint=DIGITS)
    registry = Registry().with_server(GATE, server).with_wishes("putty", "kitty -e", None)
    registry.write(path)
    registry.write(path)
    assert Registry.read(path) == registry
    assert path.stat().st_mode & 0o777 == 0o600
    assert Registry.read(path).server(GATE) == server
    assert (registry.ssh, registry.terminal) == ("putty", ("kitty", "-e"))


def test_what_is_not_said_again_stays(path):
    before = Registry().with_wishes("putty", "kitty -e", str(path.parent.parent))
    assert before.with_wishes(None, None, None) == before


@pytest.mark.parametrize(
    "address", [Address("gate.example", 443), Address("evil.example", 8443)]
)
def test_a_page_that_was_not_registered_may_nothing(address):
    registry = Registry().with_server(GATE, Server())
    with pytest.raises(DeniedError, match=f"register https://{address}"):
        registry.server(address)


def test_a_page_is_forgotten_once():
    registry = Registry().with_server(GATE, Server())
    assert registry.without(GATE) == Registry()
    with pytest.raises(UsageError, match="was not registered"):
        Registry().without(GATE)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"servers": 7}',
        '{"servers": {"a": {"colour": 1}}, "ssh": "ssh", "terminal": [], "drive": null}',
        '{"servers": {}, "ssh": "telnet", "terminal": [], "drive": null}',
    ],
)
def test_a_file_that_makes_no_sense_lets_nobody_in(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        Registry.read(path)


def test_where_it_cannot_be_written_that_is_said(path):
    path.parent.write_text("a file in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        Registry().write(path)


@pytest.mark.parametrize(
    "text", [DIGITS, DIGITS.upper(), f"SHA256:{DIGITS}", ":".join(["AB"] * 32)]
)
def test_a_fingerprint_is_taken_in_every_form_that_programs_show(text):
    assert server_of(None, text) == Server(fingerprint=DIGITS)


def test_what_cannot_recognise_a_page_is_refused(tmp_path):
    for text in ("", "ab", "zz" * 32, DIGITS + "ab"):
        with pytest.raises(UsageError, match="64 hexadecimal digits"):
            server_of(None, text)
    with pytest.raises(UsageError, match="there is no file"):
        server_of(str(tmp_path / "ca.pem"), None)
    (tmp_path / "ca.pem").write_text("")
    assert server_of(str(tmp_path / "ca.pem"), None) == Server(ca=str(tmp_path / "ca.pem"))
    assert server_of(None, None) == Server()


def test_a_folder_is_lent_that_is_there_and_that_freerdp_can_be_told_of(tmp_path):
    (tmp_path / "a,b").mkdir()
    for folder in (tmp_path / "nothing", tmp_path / "a,b"):
        with pytest.raises(UsageError, match="cannot be lent"):
            Registry().with_wishes(None, None, str(folder))
    with pytest.raises(UsageError, match="makes no words"):
        Registry().with_wishes(None, "xterm '", None)
