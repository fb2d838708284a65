import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import ber
from protocols.rdp.wire.cursor import Reader


@given(st.integers(-(2**62), 2**62))
def test_an_integer_is_read_as_it_was_written(number: int):
    body = ber.read_as(Reader(ber.write_integer(number)), ber.INTEGER, "integer")
    assert ber.integer_of(body) == number


def test_65535_does_not_become_negative():
    # A known defect of others: `02 02 ff ff` is -1.
    assert ber.write_integer(65535) == b"\x02\x03\x00\xff\xff"


@given(st.sampled_from([b"\x04", b"\x30", b"\x7f\x65"]), st.binary(max_size=700))
def test_an_element_is_read_as_it_was_written(tag: bytes, body: bytes):
    reader = Reader(ber.write(tag, body))
    assert ber.read(reader) == ber.Element(tag, body)
    assert reader.left == 0


@pytest.mark.parametrize("data", [b"\x04\x80", b"\x04\x84\0\0\0\1x", b"\x04\x05abc", b"\x04"])
def test_lengths_that_are_not_used_or_not_true_are_refused(data: bytes):
    with pytest.raises(RemoteProtocolError):
        ber.read(Reader(data))


def test_many_elements_are_no_way_to_use_up_memory():
    with pytest.raises(RemoteProtocolError, match="more than 3"):
        ber.read_all(b"\x04\x00" * 4, 3)


@pytest.mark.parametrize("body", [b"", bytes(9)])
def test_an_integer_has_one_to_eight_bytes(body: bytes):
    with pytest.raises(RemoteProtocolError):
        ber.integer_of(body)


def test_another_element_than_expected_is_named():
    with pytest.raises(RemoteProtocolError, match="no token"):
        ber.read_as(Reader(ber.write_integer(1)), ber.OCTET_STRING, "token")
