import msgspec
import pytest

from control.user_key_requests import AddUserKey


def test_a_key_lasts_for_some_time_or_for_good():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"ask": "AddUserKey", "user": "a", "public_key": "", "ttl_s": 0}, AddUserKey
        )
