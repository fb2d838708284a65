import pytest

from bus.codec import decode_request, encode
from bus.errors import BadMessageError
from bus.own_account import (
    FindSecrets,
    LaunchSecret,
    PasswordChange,
    answer_info,
    change_info,
    pair_info,
    password_info,
)

FROM = {
    "engine_id": "engine-1",
    "site": "default",
    "logon": b"l",
    "client_address": "192.0.2.1",
}


def test_a_question_comes_across_as_it_was_asked():
    asked = LaunchSecret(**FROM, secret="web01", seal_to=bytes(32), comment="because")
    assert decode_request(encode(asked)) == asked


def test_a_question_that_is_too_long_does_not():
    with pytest.raises(BadMessageError):
        decode_request(encode(FindSecrets(**FROM, text="x" * 257)))


def test_what_somebody_typed_is_in_no_representation():
    assert "hunter2" not in repr(FindSecrets(**FROM, text="hunter2"))
    assert "hunter2" not in repr(PasswordChange(old="hunter2", new="hunter2"))


def test_what_is_sealed_for_one_purpose_is_not_for_another():
    infos = [password_info("x"), answer_info(b"x"), change_info(b"x"), pair_info("x")]
    assert len(set(infos)) == len(infos)
