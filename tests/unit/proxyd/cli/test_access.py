import pytest


@pytest.fixture(autouse=True)
def _people_and_places(proxyd):
    proxyd("user", "add", "ana", "--password-stdin", typed="Correct-Horse-9-Battery\n")
    target = ("--protocol", "ssh", "--host", "h", "--port", "22", "--username", "root")
    proxyd("secret", "add", "web", *target, "--password-stdin", typed="pw\n")


def test_access_is_granted_listed_and_revoked(proxyd, answer):
    assert proxyd("access", "grant", "ana", "web").exit_code == 0
    assert [(row["user"], row["secret"]) for row in answer("access", "list")] == [
        ("ana", "web")
    ]
    assert "web" in proxyd("access", "list").stdout
    assert proxyd("access", "revoke", "ana", "web").exit_code == 0
    assert answer("access", "list") == []


@pytest.mark.parametrize(
    ("user", "secret", "missing"), [("nobody", "web", "nobody"), ("ana", "nothing", "nothing")]
)
def test_whoever_or_whatever_is_not_there_is_named(proxyd, user, secret, missing):
    for command in ("grant", "revoke"):
        result = proxyd("access", command, user, secret)
        assert result.exit_code == 3
        assert missing in result.stderr
