"""Whom a command makes of somebody."""

import pytest

from bus.become import BecomeError, account_of, check


@pytest.mark.parametrize(
    ("command", "account"),
    [
        ("su -", "root"),
        ("su - postgres", "postgres"),
        ("/bin/su -l www-data", "www-data"),
        ("sudo -i", "root"),
        ("sudo -u oracle -i", "oracle"),
        ("sudo --user oracle bash", "oracle"),
        ("doas sh", "root"),
    ],
)
def test_a_command_tells_who_somebody_becomes(command: str, account: str):
    check(command)
    assert account_of(command) == account


@pytest.mark.parametrize("command", ["", " ", "su\n", "su 'x", "x" * 201])
def test_what_cannot_be_run_is_refused(command: str):
    with pytest.raises(BecomeError):
        check(command)
