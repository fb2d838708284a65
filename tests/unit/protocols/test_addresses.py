import pytest

from protocols.addresses import split_address


def test_an_address_of_either_family_is_taken_apart():
    assert split_address("192.0.2.1:3390") == ("192.0.2.1", 3390)
    assert split_address("[::1]:0") == ("::1", 0)


@pytest.mark.parametrize("address", ["host", "host:", "host:ssh"])
def test_what_has_no_port_is_refused(address: str):
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)
