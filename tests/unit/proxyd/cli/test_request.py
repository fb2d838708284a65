from uuid import UUID

import click
import pytest

from bus.contract import HostKeyPolicy
from control.requests import AddSecret, IssueCredential, TerminateSession
from proxyd.cli.request import build

FIELDS = {"protocol": "ssh", "host": "h", "port": 22, "username": "root"}


def test_a_request_is_made_of_plain_values():
    request = build(AddSecret, name="web", private_key=b"key", **FIELDS)
    assert (request.name, request.port, request.private_key) == ("web", 22, b"key")
    assert request.host_key_policy is HostKeyPolicy.TOFU


def test_what_a_field_cannot_hold_is_named_by_its_option():
    with pytest.raises(click.UsageError, match="ttl-s: Expected `float` > 0"):
        build(IssueCredential, secret="web", user="ana", ttl_s=0)


def test_a_text_that_must_not_be_empty_is_named():
    with pytest.raises(click.UsageError, match=r"^reason: it is empty: say something"):
        build(TerminateSession, id=UUID(int=7), reason="")


def test_more_uses_than_anybody_counts_are_refused():
    with pytest.raises(click.UsageError, match="uses: Expected `int` <= 1000000"):
        build(IssueCredential, secret="web", user="ana", ttl_s=60.0, uses=10**20)


def test_a_name_is_explained_without_its_pattern():
    with pytest.raises(click.UsageError, match=r"^name: a name is 1 to 64 letters"):
        build(AddSecret, name="../up", **FIELDS)
