import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.rdp import active

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.capability_sets import Active

SETS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=90)), max_size=9)


@given(SETS, st.booleans())
def test_sets_are_read_and_written_as_they_are(sets, confirm):
    share = active(sets, confirm=confirm)
    read = Active.read(share, confirm=confirm)
    assert list(read.sets) == sets
    assert read.write(sets) == share


def test_a_set_that_is_longer_than_the_pdu_is_refused():
    share = bytearray(active([(1, bytes(20))], confirm=True))
    share[-22] = 0xFF
    with pytest.raises(RemoteProtocolError):
        Active.read(bytes(share), confirm=True)


def test_too_many_sets_are_refused():
    with pytest.raises(RemoteProtocolError, match="65 capability sets"):
        Active.read(active([(1, b"")] * 65, confirm=True), confirm=True)
