from protocols.rdp.redirections import MOST, refusal


def test_an_allowed_one_is_followed_a_few_times():
    said = [refusal(allowed=True, activated=False, number=n) for n in range(1, MOST + 2)]
    assert said[:-1] == [""] * MOST
    assert "more than 5 times" in said[-1]


def test_who_may_not_is_told_how_he_could():
    assert "add `redirection`" in refusal(allowed=False, activated=False, number=1)


def test_a_late_one_ends_the_session_whatever_the_secret_says():
    for allowed in (True, False):
        assert "log in again" in refusal(allowed=allowed, activated=True, number=1)
