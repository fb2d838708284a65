from control.request import Request


class Ask(Request, frozen=True, kw_only=True):
    password: str


def test_a_request_does_not_show_what_it_holds():
    assert repr(Ask(password="hunter2")) == "Ask(<redacted>)"
