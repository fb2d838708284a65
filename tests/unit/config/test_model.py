from pathlib import Path

import msgspec
import pytest

from config.model import Address, AddressOrOff, DatabaseSettings, Settings


def test_the_database_lies_in_the_state_directory_unless_it_is_named():
    assert Settings(state_dir=Path("/s")).database_url == "sqlite:////s/proxyd.db"
    named = Settings(database=DatabaseSettings(url="sqlite:///here.db"))
    assert named.database_url == "sqlite:///here.db"


@pytest.mark.parametrize("text", ["0.0.0.0:22", "[::]:2222", "host-1.example:0", "[::1]:65535"])
def test_an_address_has_a_port(text):
    assert msgspec.convert(text, Address) == text


@pytest.mark.parametrize(
    "text", ["", "22", ":22", "host", "host:", "::1:22", "a:65536", "a b:1"]
)
def test_anything_else_is_no_address(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Address)


def test_what_may_be_switched_off_takes_an_empty_address():
    assert msgspec.convert("", AddressOrOff) == ""
    assert msgspec.convert("[::1]:1", AddressOrOff) == "[::1]:1"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("nowhere", AddressOrOff)
