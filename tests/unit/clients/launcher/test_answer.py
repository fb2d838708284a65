import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.errors import UnreachableError
from clients.launcher.answer import decode

GOOD = {
    "kind": "ssh",
    "secret": "web1",
    "host": "gate.example",
    "port": 2222,
    "username": "ada-4k2m9x",
    "password": "Pa55word" * 3,
    "channels": ["shell", "clipboard-rich-in"],
    "host_keys": ["ssh-ed25519 " + "A" * 68],
    "certificate_fingerprints": [],
    "notice": "This session is recorded.",
}


def decoded(**other):
    return decode(json.dumps(GOOD | other).encode())


def test_what_a_server_of_ours_says_is_taken_and_what_is_new_to_us_passed_over():
    order = decoded(colour="red")
    assert order.host_keys == (GOOD["host_keys"][0],)
    assert decode(order.encoded()) == order
    assert "Pa55word" not in repr(order)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "telnet"),
        ("kind", ["ssh"]),
        ("secret", "../web"),
        ("secret", "-web"),
        ("host", "-oProxyCommand=x"),
        ("host", "gate example"),
        ("host", "gate;reboot"),
        ("host", "gate\n"),
        ("host", ""),
        ("port", 0),
        ("port", 65536),
        ("port", "22"),
        ("port", True),
        ("port", 22.0),
        ("username", "-l"),
        ("username", "ada 4k2m9x"),
        ("username", "ada-4k2m9x\n"),
        ("username", "Ada-4k2m9x"),
        ("username", "/p:x-4k2m9x"),
        ("password", "short"),
        ("password", "A" * 23 + "\n"),
        ("password", "A" * 23 + '"'),
        ("channels", "shell"),
        ("channels", ["-shell"]),
        ("channels", [7]),
        ("channels", ["shell"] * 65),
        ("host_keys", ["ssh-ed25519 AAAA\n* " + "A" * 68]),
        ("host_keys", ["@cert-authority * ssh-ed25519 " + "A" * 68]),
        ("host_keys", ["ssh-ed25519 " + "A" * 5000]),
        ("certificate_fingerprints", ["ab"]),
        ("certificate_fingerprints", ["AB" * 32]),
        ("notice", "\x1b]0;title\x07"),
        ("notice", "\x9b31m"),
        ("notice", "x" * 1001),
        ("notice", None),
    ],
)
def test_what_could_do_harm_in_a_command_line_or_on_a_terminal_is_not_taken(name, value):
    with pytest.raises(UnreachableError, match=f"`{name}` is not what it must be"):
        decoded(**{name: value})


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(name):
    body = json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()
    with pytest.raises(UnreachableError, match=f"`{name}`"):
        decode(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_what_is_no_answer_is_said_without_repeating_it(body):
    with pytest.raises(UnreachableError, match="makes no sense"):
        decode(body)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(body):
    with pytest.raises(UnreachableError):
        decode(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    st.lists,
)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_whatever_a_field_is_it_is_taken_whole_or_not_at_all(name, value):
    try:
        order = decoded(**{name: value})
    except UnreachableError:
        return
    taken = getattr(order, name)
    assert (list(taken) if isinstance(taken, tuple) else taken) == value
