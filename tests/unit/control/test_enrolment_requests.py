from control.enrolment_requests import ApproveEngine


def test_a_code_is_not_shown():
    request = ApproveEngine(id="engine-9", code="abcde-fghjk")
    assert "abcde" not in f"{request!r} {request} {[request]}"
