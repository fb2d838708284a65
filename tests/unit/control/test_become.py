"""Whom a secret's shells become: what operators say, and what engines are told."""

import msgspec
import pytest

from bus.contract import TargetCredential
from bus.sealed import Opener, credential_info
from control import secrets
from control.audit import Act
from control.command_operations import CommandOperations
from control.command_requests import SetBecome, ShowBecome
from control.errors import InvalidError, NotFoundError
from recorder.session_info import TargetProtocol

from .conftest import presented, web1

PASSWORD = "canary-of-root-55"


@pytest.fixture
def operations(database, vault, clock, issue):
    issue()
    with database.transaction() as session:
        for given in (
            web1(name="root-of-web1", password=PASSWORD),
            web1(name="desk", protocol=TargetProtocol.RDP),
        ):
            secrets.add(session, vault, given, clock.now())
    return CommandOperations(database, lambda who: Act(who, clock.now()))


def set_to(command, whose="root-of-web1", of="web1"):
    return SetBecome(secret=of, command=command, with_secret=whose)


def granted(grants, issue):
    opener = Opener()
    grant = grants.redeem(presented(issue(), opener))
    opened = opener.open(grant.sealed_credential, credential_info(grant.session_id))
    return grant, msgspec.msgpack.decode(opened, type=TargetCredential)


def test_the_password_travels_sealed_with_the_credential(operations, grants, issue):
    operations.become(set_to("su - root"), "root")
    grant, credential = granted(grants, issue)
    assert grant.become_command == "su - root"
    assert credential.become_password == PASSWORD
    assert PASSWORD.encode() not in msgspec.msgpack.encode(grant)
    assert PASSWORD not in repr(credential)


def test_without_a_command_nobody_becomes_anybody(operations, grants, issue):
    operations.become(set_to("sudo -u oracle -i"), "root")
    shown = operations.show_become(ShowBecome(secret="web1"), "root")
    assert (shown.account, shown.with_secret) == ("oracle", "root-of-web1")
    operations.become(set_to("", None), "root")
    grant, credential = granted(grants, issue)
    assert (grant.become_command, credential.become_password) == ("", None)
    assert operations.show_become(ShowBecome(secret="web1"), "root").command == ""


def test_a_password_that_was_removed_is_not_typed(operations, grants, issue, database):
    operations.become(set_to("su - root"), "root")
    with database.transaction() as session:
        secrets.remove(session, "root-of-web1")
    grant, credential = granted(grants, issue)
    assert (grant.become_command, credential.become_password) == ("su - root", None)


def test_what_makes_no_sense_is_refused(operations):
    for error, request in (
        (InvalidError, set_to("su 'root")),
        (InvalidError, set_to("su - root", of="desk")),
        (NotFoundError, set_to("su - root", of="web9")),
        (NotFoundError, set_to("su - root", "web9")),
    ):
        with pytest.raises(error):
            operations.become(request, "root")
