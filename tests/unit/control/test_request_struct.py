from control.request_struct import Request


class Secretive(Request, frozen=True, kw_only=True):
    password: str


def test_a_request_in_a_log_shows_its_kind_alone():
    assert repr(Secretive(password="hunter2")) == "Secretive(<redacted>)"
