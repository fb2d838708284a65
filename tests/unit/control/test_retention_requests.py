from typing import get_args
from uuid import UUID

import pytest

from control.errors import InvalidError
from control.retention_requests import HoldSession, RetentionRequest, SetRetention
from control.wire import decode_request, encode_request


def test_each_request_crosses_the_operators_socket():
    for request in (
        HoldSession(id=UUID(int=1), reason="x"),
        SetRetention(scope="default", days=1),
    ):
        assert isinstance(request, get_args(RetentionRequest))
        assert decode_request(encode_request(request)) == request


@pytest.mark.parametrize("days", [0, -1, 36501])
def test_a_rule_of_no_days_is_refused(days: int):
    with pytest.raises(InvalidError):
        decode_request(encode_request(SetRetention(scope="default", days=days)))
