import pytest

from control.bus_requests import DiscardDeadLetters, ListDeadLetters, ReplayDeadLetters
from control.wire import decode_request, encode_request


@pytest.mark.parametrize(
    "request_",
    [ListDeadLetters(), ReplayDeadLetters(ids=("dmz/s/1",)), DiscardDeadLetters()],
    ids=lambda one: type(one).__name__,
)
def test_a_request_crosses_the_operators_socket(request_):
    assert decode_request(encode_request(request_)) == request_
