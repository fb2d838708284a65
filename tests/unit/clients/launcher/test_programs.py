import base64
import dataclasses
import hashlib
from pathlib import Path

import pytest

from clients.launcher import programs
from clients.launcher.answer import Order

BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))
KEY = "ssh-ed25519 " + base64.b64encode(BLOB).decode()
ORDER = Order(
    kind="ssh",
    secret="web1",
    host="gate.example",
    port=2222,
    username="ada-4k2m9x",
    password="Pa55wordPa55wordPa55word",
    channels=("clipboard", "drives-in", "dynamic"),
    host_keys=(KEY,),
    certificate_fingerprints=("ab" * 32, "cd" * 32),
    notice="",
)
PLACE = Path("/run/user/1000/x")


def test_no_password_is_a_word_of_a_command():
    for words in (
        programs.openssh(ORDER, PLACE),
        programs.putty(ORDER, PLACE),
        programs.freerdp(ORDER, PLACE),
    ):
        assert not [word for word in words if ORDER.password in word]
    assert ORDER.password not in programs.known_hosts(ORDER)


def test_openssh_trusts_the_keys_that_the_server_gave_and_no_others():
    words = programs.openssh(ORDER, PLACE)
    assert f"UserKnownHostsFile={PLACE}" in words
    assert "GlobalKnownHostsFile=/dev/null" in words
    assert "StrictHostKeyChecking=yes" in words
    assert words[-2:] == ["--", "gate.example"]
    assert programs.known_hosts(ORDER) == f"[gate.example]:2222 {KEY}\n"
    at_22 = dataclasses.replace(ORDER, port=22)
    assert programs.known_hosts(at_22) == f"gate.example {KEY}\n"


def test_openssh_asks_no_other_machine_with_the_session_s_password():
    """A `ProxyJump` in the user's settings would."""
    words = programs.openssh(ORDER, PLACE)
    assert words[1:3] == ["-F", "none"]
    assert "PubkeyAuthentication=no" in words


def test_where_the_server_knows_no_keys_the_user_s_own_known_hosts_count_strictly():
    words = programs.openssh(dataclasses.replace(ORDER, host_keys=()), PLACE)
    assert not [word for word in words if "KnownHosts" in word]
    assert "StrictHostKeyChecking=yes" in words


def test_putty_is_told_the_fingerprint_that_it_shows_itself():
    words = programs.putty(ORDER, PLACE)
    digest = base64.b64encode(hashlib.sha256(BLOB).digest()).decode().rstrip("=")
    assert words[words.index("-hostkey") + 1] == f"SHA256:{digest}"
    assert words[words.index("-pwfile") + 1] == str(PLACE)
    assert words[-1] == "gate.example"


def test_xfreerdp_lends_what_the_secret_lets_through_and_the_user_wants_lent():
    words = programs.freerdp(ORDER, Path("/home/ada/lent"))
    assert {"+clipboard", "/dynamic-resolution", "/drive:lent,/home/ada/lent"} <= set(words)
    assert "/printer" not in words
    assert not [word for word in programs.freerdp(ORDER) if word.startswith("/drive")]
    nothing = programs.freerdp(dataclasses.replace(ORDER, channels=()), Path("/home/ada/lent"))
    assert "-clipboard" in nothing
    assert not [word for word in nothing if word.startswith("/drive")]


@pytest.mark.parametrize(
    ("host", "address"),
    [("gate.example", "/v:gate.example:2222"), ("2001:db8::1", "/v:[2001:db8::1]:2222")],
)
def test_xfreerdp_talks_to_the_gateway_whose_certificate_the_server_named(host, address):
    words = programs.freerdp(dataclasses.replace(ORDER, host=host))
    assert address in words
    pairs = [":".join([pair] * 32) for pair in ("ab", "cd")]
    assert f"/cert:deny,fingerprint:sha256:{pairs[0]},fingerprint:sha256:{pairs[1]}" in words
    unknown = dataclasses.replace(ORDER, certificate_fingerprints=())
    assert "/cert:deny" in programs.freerdp(unknown)
