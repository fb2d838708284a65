from uuid import UUID

import pytest

from control.errors import InvalidError
from control.proof_requests import SignBundle
from control.wire import decode_request, encode_request


def test_only_a_digest_is_signed():
    whole = SignBundle(id=UUID(int=7), manifest_sha256=bytes(32))
    assert decode_request(encode_request(whole)) == whole
    with pytest.raises(InvalidError):
        decode_request(encode_request(SignBundle(id=UUID(int=7), manifest_sha256=b"text")))
