from control.request import Request


class Tell(Request, frozen=True, kw_only=True):
    secret: str


def test_a_request_does_not_show_what_it_holds():
    assert repr(Tell(secret="hunter2")) == "Tell(<redacted>)"
