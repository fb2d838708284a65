import msgspec
import pytest

from control.account_requests import CreateToken, SetPassword


def test_a_password_is_not_in_a_request_s_representation():
    assert "hunter2" not in repr(SetPassword(name="ada", password="hunter2"))


@pytest.mark.parametrize("ttl_s", [0, -1, 1e12])
def test_a_token_lives_for_a_sensible_time(ttl_s):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"user": "ada", "name": "x", "ttl_s": ttl_s, "ask": "CreateToken"}, CreateToken
        )
