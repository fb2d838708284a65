from uuid import UUID

import pytest

from control.errors import InvalidError
from control.pause_requests import PauseSession, ResumeSession
from control.requests import OperatorRequest
from control.wire import decode_request, encode_request

SESSION = UUID(int=7)


@pytest.mark.parametrize(
    "request_", [PauseSession(id=SESSION, reason="why"), ResumeSession(id=SESSION)]
)
def test_it_crosses_the_operators_socket(request_: OperatorRequest):
    assert decode_request(encode_request(request_)) == request_


def test_a_reason_is_no_book():
    with pytest.raises(InvalidError, match="reason"):
        decode_request(encode_request(PauseSession(id=SESSION, reason="x" * 100_000)))
