import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from samples.rdp import COOKIE, client_info

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.client_info import ClientInfo, InfoFlag, without_cookie

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(TEXT, TEXT, TEXT)
def test_texts_are_read_as_they_were_written(domain: str, username: str, password: str):
    info = structs.replace(client_info(username, password), domain=domain)
    read = ClientInfo.read(info.write())
    assert (read.domain, read.username, read.password) == (domain, username, password)


def test_ansi_texts_are_read():
    sizes = b"".join(size.to_bytes(2, "little") for size in (0, 4, 2, 0, 0))
    body = b"\0user\0pw\0\0\0"
    read = ClientInfo.read(bytes(8) + sizes + body)
    assert (read.username, read.password) == ("user", "pw")


def test_a_cookie_is_cut_off_and_the_rest_stays():
    info = client_info()
    assert info.extra.endswith(COOKIE)
    kept = without_cookie(info.extra)
    assert kept == info.extra[: -2 - len(COOKIE)] + b"\0\0"
    assert without_cookie(kept) == kept
    assert without_cookie(b"") == b""


def test_the_name_of_the_time_zone_behind_a_cookie_stays():
    zone = "W. Europe Standard Time".encode("utf-16-le")
    behind = bytes(4) + len(zone).to_bytes(2, "little") + zone + b"\1\0"
    info = client_info()
    kept = without_cookie(info.extra + behind)
    assert kept == info.extra[: -2 - len(COOKIE)] + b"\0\0" + behind
    assert without_cookie(kept) == kept


@pytest.mark.parametrize(
    "behind",
    [b"x", bytes(4), bytes(6), bytes(4) + b"\x04\0abc", bytes(9), bytes(4) + b"\xff\xff"],
)
def test_what_else_is_behind_a_cookie_goes_with_it(behind: bytes):
    extra = client_info().extra
    assert without_cookie(extra + behind) == extra[: -2 - len(COOKIE)] + b"\0\0"
    assert without_cookie(extra[:-1] + behind[:0]) == without_cookie(extra)


def test_what_an_old_client_leaves_out_stays_out():
    without_performance = client_info().extra[: -2 - len(COOKIE) - 4]
    assert without_cookie(without_performance) == without_performance
    address_only = without_performance[: -172 - 4]
    assert without_cookie(address_only) == address_only


@pytest.mark.parametrize(
    ("flags", "compresses"),
    [(0, False), (InfoFlag.COMPRESSION, False), (InfoFlag.COMPRESSION | 1 << 9, True)],
)
def test_only_a_history_of_64_kib_is_used(flags, compresses):
    assert structs.replace(client_info(), flags=flags).compresses is compresses


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8) + b"\xff\xff" + bytes(8),
        bytes(8) + b"\x08\x00" + bytes(8) + b"short",
        bytes(18) + bytes(5) + bytes(5000),
    ],
)
def test_what_does_not_fit_is_refused(data: bytes):
    with pytest.raises(RemoteProtocolError):
        ClientInfo.read(data)
