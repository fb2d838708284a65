"""Whatever a broker does to envelopes, nothing is heard that was not said, or said once."""

import contextlib
import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import BadMessageError
from bus.signed import Signer, Verifier

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()


def verifier():
    return Verifier("control", lambda _: (PUBLIC,))


@settings(deadline=None)
@given(body=st.binary(max_size=100), data=st.data())
def test_any_change_of_any_byte_is_refused(body, data):
    envelope = bytearray(Signer("engine-1", KEY).sign("control", body, NOW))
    where = data.draw(st.integers(0, len(envelope) - 1))
    envelope[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadMessageError):
        verifier().open(bytes(envelope), NOW)


@settings(deadline=None)
@given(body=st.binary(max_size=100), data=st.data())
def test_any_cut_and_any_addition_is_refused(body, data):
    envelope = Signer("engine-1", KEY).sign("control", body, NOW)
    cut = envelope[: data.draw(st.integers(0, len(envelope) - 1))]
    longer = envelope + data.draw(st.binary(min_size=1, max_size=20))
    for altered in (cut, longer):
        with pytest.raises(BadMessageError):
            verifier().open(altered, NOW)


@settings(deadline=None, max_examples=40)
@given(
    arrivals=st.lists(
        st.tuples(st.integers(0, 9), st.floats(-40, 130, allow_nan=False)), max_size=40
    )
)
def test_in_any_order_at_any_time_each_message_is_opened_at_most_once(arrivals):
    signer, reader = Signer("engine-1", KEY), verifier()
    envelopes = [signer.sign("control", bytes((n,)), NOW) for n in range(10)]
    heard: list[bytes] = []
    for which, at_s in sorted(arrivals, key=lambda arrival: arrival[1]):
        with contextlib.suppress(BadMessageError):
            heard.append(reader.open(envelopes[which], NOW + dt.timedelta(seconds=at_s)).body)
    assert len(heard) == len(set(heard))
