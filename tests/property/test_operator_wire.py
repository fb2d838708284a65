"""Whatever comes over the operators' socket, it is a request or it is refused."""

import contextlib

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.errors import ControlError
from control.requests import OperatorRequest
from control.wire import decode_answer, decode_request, encode_request

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = st.sampled_from([kind.__name__ for kind in OperatorRequest.__args__])
ALMOST = st.dictionaries(st.sampled_from(["name", "id", "user", "secret", "text"]), VALUES)


@given(st.binary())
def test_noise_is_refused(body):
    with contextlib.suppress(ControlError):
        decode_request(body)
    with contextlib.suppress(ControlError):
        decode_answer(body)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(NAMES, ALMOST)
def test_what_is_taken_comes_back_the_same(name, fields):
    with contextlib.suppress(ControlError):
        request = decode_request(msgspec.msgpack.encode(fields | {"ask": name}))
        assert decode_request(encode_request(request)) == request
