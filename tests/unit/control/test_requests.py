import typing

import msgspec
import pytest

from control import requests as ask

from .conftest import CANARY, web1


@pytest.mark.parametrize(
    "request_",
    [
        web1(),
        ask.EditSecret(name="web1", password=CANARY, passphrase=CANARY),
        ask.AddUser(name="ada", password=CANARY),
    ],
)
def test_no_representation_shows_a_password(request_):
    assert CANARY not in f"{request_!r} {request_} {[request_]}"


def test_what_was_issued_shows_its_password_on_purpose_only(issue):
    issued = issue()
    assert issued.password not in f"{issued!r} {issued}"
    assert msgspec.json.decode(msgspec.json.encode(issued))["password"] == issued.password


def test_every_request_is_known_by_its_name():
    names = [kind.__struct_config__.tag for kind in typing.get_args(ask.OperatorRequest)]
    assert names == [kind.__name__ for kind in typing.get_args(ask.OperatorRequest)]


@pytest.mark.parametrize("name", ["", ".hidden", "-flag", "a/b", "a b", "é", "a" * 65, "a\n"])
def test_a_name_is_safe_in_paths_and_command_lines(name):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"ask": "AddUser", "name": name, "password": ""}, ask.AddUser)
