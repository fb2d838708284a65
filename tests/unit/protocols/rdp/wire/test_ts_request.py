import pytest
from hypothesis import given
from hypothesis import strategies as st
from spnego._credssp_structures import TSCredentials, TSPasswordCreds
from spnego._credssp_structures import TSRequest as TheirRequest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import ber
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest

BYTES = st.none() | st.binary(max_size=300)
REQUESTS = st.builds(
    TSRequest,
    version=st.integers(2, 6),
    token=BYTES,
    auth_info=BYTES,
    public_key_auth=BYTES,
    error_code=st.none() | st.integers(0, 0xFFFFFFFF),
    nonce=st.none() | st.binary(min_size=32, max_size=32),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written(request_: TSRequest):
    assert TSRequest.read(request_.write()) == request_


@given(REQUESTS)
def test_another_implementation_reads_what_we_write(request_: TSRequest):
    theirs = TheirRequest.unpack(request_.write())
    assert theirs.version == request_.version
    assert theirs.pub_key_auth == request_.public_key_auth
    assert theirs.client_nonce == request_.nonce
    if request_.error_code is not None:
        assert theirs.error_code & 0xFFFFFFFF == request_.error_code


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_credentials_are_the_same_to_another_implementation(
    domain: str, username: str, password: str
):
    ours = PasswordCredentials(domain=domain, username=username, password=password)
    theirs = TSCredentials(TSPasswordCreds(domain, username, password)).pack()
    assert ours.write() == theirs
    assert PasswordCredentials.read(theirs) == ours


def test_smart_cards_and_remote_guard_are_refused():
    body = ber.tagged(0, ber.write_integer(2))
    body += ber.tagged(1, ber.write(ber.OCTET_STRING, ber.write(ber.SEQUENCE, b"")))
    with pytest.raises(RemoteProtocolError, match="no password"):
        PasswordCredentials.read(ber.write(ber.SEQUENCE, body))


@pytest.mark.parametrize(
    "body", [b"", ber.tagged(5, ber.write(ber.OCTET_STRING, b"short")), b"\xa0\x00"]
)
def test_what_is_no_request_is_refused(body: bytes):
    with pytest.raises(RemoteProtocolError):
        TSRequest.read(ber.write(ber.SEQUENCE, body))


def test_nothing_of_it_shows():
    assert "secret" not in repr(TSRequest(auth_info=b"secret"))
    given_ = PasswordCredentials(domain="", username="u", password="secret")
    assert "secret" not in repr(given_)
