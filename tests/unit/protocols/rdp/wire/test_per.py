import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.rdp.wire import per
from protocols.rdp.wire.cursor import Reader


@given(st.integers(0, per.MAX_LENGTH))
def test_a_length_takes_two_bytes_however_short(size: int):
    written = per.write_length(size)
    assert len(written) == 2
    assert per.read_length(Reader(written)) == size


@given(st.integers(0, per.MAX_LENGTH))
def test_a_length_in_as_few_bytes_as_it_takes(size: int):
    written = per.write_short_length(size)
    assert len(written) == (1 if size < 128 else 2)
    assert per.read_length(Reader(written)) == size


def test_a_length_of_one_byte_is_read():
    assert per.read_length(Reader(b"\x2a")) == 42


def test_fragments_are_refused_and_never_written():
    with pytest.raises(RemoteProtocolError, match="fragmented"):
        per.read_length(Reader(b"\xc1"))
    with pytest.raises(LocalProtocolError):
        per.write_length(per.MAX_LENGTH + 1)
