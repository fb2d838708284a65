import uuid

import msgspec
import pytest

from control.approval_requests import ApproveAccess


def test_an_approval_lasts_a_day_at_most():
    given = {"ask": "ApproveAccess", "id": str(uuid.uuid4()), "for_s": 86_401}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, ApproveAccess)
