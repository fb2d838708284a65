import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.errors import UsageError
from clients.launcher.link import Address, is_host, parse_link, parse_server

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz_-0123"
HOSTILE = [
    "",
    "-oProxyCommand=x",
    TOKEN,
    f"proxyd://gate/launch/{TOKEN}?cmd=calc",
    f"proxyd://gate/launch/{TOKEN}#x",
    f"proxyd://gate/launch/{TOKEN}/",
    f"proxyd://gate/launch/{TOKEN}\n",
    f"proxyd://gate/launch/{TOKEN}A",
    f"proxyd://gate/launch/{TOKEN[:-1]}",
    f"proxyd://gate/launch/{TOKEN[:-1]}é",
    f"proxyd://gate/launch/{TOKEN[:-3]}%41",
    f"proxyd://gate/launch/../launch/{TOKEN}",
    f"proxyd://gate/login/{TOKEN}",
    f"proxyd://gate//launch/{TOKEN}",
    f"proxyd:gate/launch/{TOKEN}",
    f"proxyd:///launch/{TOKEN}",
    f"PROXYD://gate/launch/{TOKEN}",
    f"https://gate/launch/{TOKEN}",
    f"proxyd://user@gate/launch/{TOKEN}",
    f"proxyd://gate\\@evil/launch/{TOKEN}",
    f"proxyd://-gate/launch/{TOKEN}",
    f"proxyd://gate-/launch/{TOKEN}",
    f"proxyd://ga te/launch/{TOKEN}",
    f"proxyd://gate..example/launch/{TOKEN}",
    f"proxyd://gäte/launch/{TOKEN}",
    f"proxyd://gate:/launch/{TOKEN}",
    f"proxyd://gate:0/launch/{TOKEN}",
    f"proxyd://gate:022/launch/{TOKEN}",
    f"proxyd://gate:65536/launch/{TOKEN}",
    f"proxyd://gate:22:22/launch/{TOKEN}",
    f"proxyd://gate:²/launch/{TOKEN}",
    f"proxyd://[::1/launch/{TOKEN}",
    f"proxyd://[::1%25eth0]/launch/{TOKEN}",
    f"proxyd://[1:2]/launch/{TOKEN}",
    f"proxyd://{'a' * 254}/launch/{TOKEN}",
    f" proxyd://gate/launch/{TOKEN}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_launch_link_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as refused:
        parse_link(text)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("gate.example.org", "gate.example.org", 443),
        ("Gate.Example:8443", "gate.example", 8443),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("[2001:DB8::1]:8443", "2001:db8::1", 8443),
        ("[::1]", "::1", 443),
    ],
)
def test_a_link_says_which_server_to_ask_for_what(address, host, port):
    link = parse_link(f"proxyd://{address}/launch/{TOKEN}")
    assert (link.server, link.token) == (Address(host, port), TOKEN)
    assert parse_link(str(link)) == link
    assert (
        parse_server(f"https://{address}") == parse_server(f"https://{address}/") == link.server
    )
    assert TOKEN not in repr(link)


@given(st.text(max_size=120))
def test_no_text_at_all_does_anything_but_be_refused(text):
    with pytest.raises(UsageError):
        parse_link(text)


LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)


@given(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.integers(1, 65535),
    st.text(string.ascii_letters + string.digits + "-_", min_size=32, max_size=32),
)
def test_every_link_that_a_page_makes_is_read_as_it_was_meant(host, port, token):
    link = parse_link(f"proxyd://{host}:{port}/launch/{token}")
    assert (link.server, link.token) == (Address(host.lower(), port), token)


@given(st.text("aZ0-.:_ /@%\\\n\t'\"é=,", max_size=12))
def test_what_counts_as_a_host_is_no_option_and_one_word(text):
    if not is_host(text):
        return
    assert not text.startswith("-")
    assert not set(text) & set(string.whitespace + "/\\@%\"'$`;&|<>()[]{}*?!#=,~")


@pytest.mark.parametrize(
    "text",
    ["http://gate", "gate", "https://gate/x", "https://u@gate", "https://", "https://-x"],
)
def test_what_is_no_page_is_refused(text):
    with pytest.raises(UsageError, match="write it as https"):
        parse_server(text)
