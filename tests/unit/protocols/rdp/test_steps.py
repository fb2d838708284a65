from protocols.rdp.steps import LoginWanted


def test_a_login_shows_nothing_of_itself():
    assert repr(LoginWanted("name", "secret")) == "LoginWanted(<redacted>)"
