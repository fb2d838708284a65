import msgspec
import pytest

from control.audit_requests import ListAudit
from control.wire import decode_request, encode_request


def test_a_question_about_the_trail_crosses_the_socket():
    asked = ListAudit(who="root", action="secret")
    assert decode_request(encode_request(asked)) == asked


def test_a_list_has_an_end():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"ask": "ListAudit", "limit": 10**9}, ListAudit)
