from pathlib import Path

import msgspec
import pytest

from config.model import Address, DatabaseSettings, Settings


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
