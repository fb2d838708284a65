"""What people ask who have logged on with their own account."""

import msgspec
import pytest
from sqlalchemy import select

from bus.contract import DenialReason, Denied, Done, Grant
from bus.own_account import (
    ChangePassword,
    FindSecrets,
    IssueOwnCredential,
    LaunchSecret,
    LaunchWaits,
    OpenTerminal,
    PasswordChange,
    WhoIsOn,
    WithdrawRequest,
    change_info,
    pair_info,
)
from bus.sealed import Opener, seal
from control import access, approvals, secrets, users
from control.audit import Act
from control.credentials import Gateways
from control.errors import DeniedError
from control.log_in import LogIn
from control.logons import Logon, Logons
from control.own_account import TERMINAL, AccountRequests
from control.requests import AddUser
from control.user_check import UserCheck
from recorder.session_info import TargetProtocol
from storage.tables import AuditRow, SessionRow

from .conftest import web1

PASSWORD = "a sentence of hers"


@pytest.fixture(scope="session")
def hashed():
    return users.hash_password(PASSWORD)


@pytest.fixture
def accounts(database, vault, clock, grants, hashed):
    with database.transaction() as session:
        for name in ("ada", "bea"):
            users.add(session, AddUser(name=name, password=""), hashed, clock.now())
        secrets.add(session, vault, web1(), clock.now())
        secrets.add(session, vault, web1(name="far", site="berlin"), clock.now())
        secrets.add(session, vault, web1(name="hers"), clock.now())
        session.flush()
        for name in ("web1", "far"):
            access.grant(session, "ada", name, clock.now())
    gateways = Gateways(host="bastion.example.org", ports={TargetProtocol.SSH: 2222})
    check = UserCheck(LogIn(database, vault, clock), database, vault, clock)
    return AccountRequests(database, vault, clock, check, grants, gateways)


@pytest.fixture
def ask(accounts, vault, clock):
    def ask(kind: type, user: str = "ada", **fields: object):
        logon = Logon(user=user, engine_id="engine-1", at=clock.now())
        request = kind(
            engine_id="engine-1",
            site="default",
            client_address="192.0.2.7",
            logon=Logons(vault).write(logon),
            **fields,
        )
        return accounts.answer(request)

    return ask


def launch(ask, name: str = "web1", **fields: object):
    return ask(LaunchSecret, secret=name, seal_to=Opener().public, **fields)


def demand(database, *demands: str) -> None:
    with database.transaction() as session:
        approvals.set_demands(session, "web1", demands)


def test_whoever_may_reach_a_secret_launches_it(ask, database):
    granted = launch(ask)
    assert isinstance(granted, Grant)
    assert (granted.user, granted.secret_name) == ("ada", "web1")
    with database.read() as session:
        row = session.get(SessionRow, granted.session_id)
        assert (row.state, row.credential_id) == ("live", None)


def test_a_secret_that_is_not_there_and_one_out_of_reach_are_refused_alike(ask):
    refused = [launch(ask, name) for name in ("hers", "nowhere")]
    assert all(one.reason is DenialReason.NO_ACCESS for one in refused)
    texts = {one.detail.replace("hers", "X").replace("nowhere", "X") for one in refused}
    assert len(texts) == 1


def test_access_that_was_taken_back_a_moment_ago_is_none(ask, database):
    with database.transaction() as session:
        access.revoke(session, "ada", "web1")
    assert isinstance(launch(ask), Denied)


def test_a_disabled_user_is_refused_whatever_he_asks(ask, database):
    with database.transaction() as session:
        users.disable(session, "ada")
    assert launch(ask) == Denied(reason=DenialReason.USER_DISABLED)
    assert isinstance(ask(FindSecrets), Denied)


def test_a_secret_of_another_site_says_where_to_go(ask):
    refused = launch(ask, "far")
    assert refused.reason is DenialReason.WRONG_SITE
    assert "site berlin" in refused.detail


def test_another_machine_than_the_secret_s_is_refused(ask):
    assert "no other machine" in launch(ask, machine="db.example.org").detail
    assert isinstance(launch(ask, machine="web1.example.org"), Grant)


def test_a_logon_that_control_has_not_written_is_refused(accounts):
    request = OpenTerminal(
        engine_id="engine-1", site="default", client_address="192.0.2.7", logon=b"x" * 64
    )
    with pytest.raises(DeniedError):
        accounts.answer(request)


def test_a_terminal_is_a_session(ask, database):
    opened = ask(OpenTerminal)
    with database.read() as session:
        row = session.get(SessionRow, opened.session_id)
        assert (row.user, row.secret, row.state) == ("ada", TERMINAL, "live")


def test_what_a_secret_demands_is_asked_for_first(ask, database):
    demand(database, "comment", "ticket")
    assert launch(ask) == LaunchWaits(lacks=("comment", "ticket"))
    assert launch(ask, comment="because") == LaunchWaits(lacks=("ticket",))
    assert isinstance(launch(ask, comment="because", ticket="7"), Grant)
    with database.read() as session:
        told = session.scalar(
            select(AuditRow.detail).where(AuditRow.action == "launch.explained")
        )
    assert told == "comment: because; ticket: 7"


def test_a_launch_waits_until_somebody_else_approves(ask, database, clock):
    demand(database, "approval")
    waits = launch(ask)
    assert launch(ask, asked=waits.asked) == waits
    with database.transaction() as session:
        act = Act("root", clock.now())
        approvals.decide(session, waits.asked, act, "", approved_for=approvals.APPROVED_FOR)
    assert isinstance(launch(ask, asked=waits.asked), Grant)
    clock.advance(approvals.APPROVED_FOR.total_seconds() + 1)
    assert isinstance(launch(ask), LaunchWaits)


def test_a_refusal_is_told_with_its_reason(ask, database, clock):
    demand(database, "approval")
    waits = launch(ask)
    with database.transaction() as session:
        act = Act("root", clock.now())
        approvals.decide(session, waits.asked, act, "not today", approved_for=None)
    refused = launch(ask, asked=waits.asked)
    assert refused.reason is DenialReason.NOT_APPROVED
    assert refused.detail == "your request was denied by root: not today"


def test_a_request_is_taken_back_by_who_made_it(ask, database, clock):
    demand(database, "approval")
    waits = launch(ask)
    assert ask(WithdrawRequest, user="bea", asked=waits.asked) == Done()
    assert launch(ask, asked=waits.asked) == waits
    ask(WithdrawRequest, asked=waits.asked)
    assert launch(ask, asked=waits.asked).reason is DenialReason.NOT_APPROVED


def test_secrets_are_found_by_any_of_their_fields(ask):
    assert [seen.name for seen in ask(FindSecrets).secrets] == ["far", "web1"]
    assert [seen.name for seen in ask(FindSecrets, text="WEB").secrets] == ["far", "web1"]
    assert [seen.name for seen in ask(FindSecrets, text="web", field="name").secrets] == [
        "web1"
    ]
    assert [seen.name for seen in ask(FindSecrets, text="berlin").secrets] == ["far"]
    assert ask(FindSecrets, text="%").secrets == ()
    assert ask(FindSecrets, take=1).more == 1
    assert [seen.name for seen in ask(FindSecrets, skip=1).secrets] == ["web1"]


def test_the_secrets_that_were_used_last_come_first(ask, clock):
    assert ask(FindSecrets, recent=True).secrets == ()
    launch(ask)
    assert [seen.name for seen in ask(FindSecrets, recent=True).secrets] == ["web1"]


def test_who_is_at_a_target_is_shown_to_who_may_reach_it(ask, database, clock):
    with database.transaction() as session:
        access.grant(session, "bea", "web1", clock.now())
    launch(ask)
    people = ask(WhoIsOn, user="bea", secret="web1").people
    assert [(one.user, one.secret) for one in people] == [("ada", "web1")]
    assert ask(WhoIsOn, secret="").people == ()


def test_a_pair_for_another_client_is_good_once(ask, database):
    opener = Opener()
    pair = ask(IssueOwnCredential, secret="web1", seal_to=opener.public)
    assert len(opener.open(pair.sealed_password, pair_info(pair.username))) == 24
    demand(database, "approval")
    refused = ask(IssueOwnCredential, secret="web1", seal_to=opener.public)
    assert refused.reason is DenialReason.NOT_APPROVED


def test_a_password_is_changed_by_who_knows_it(ask, accounts, vault, clock):
    def change(old: str, new: str):
        logon = Logons(vault).write(Logon(user="ada", engine_id="engine-1", at=clock.now()))
        encoded = msgspec.json.encode(PasswordChange(old=old, new=new))
        sealed = seal(accounts.public, encoded, change_info(logon))
        return ask(ChangePassword, sealed_passwords=sealed)

    assert isinstance(change("a wrong guess", "another sentence"), Denied)
    assert isinstance(change(PASSWORD, "short"), Denied)
    assert change(PASSWORD, "another sentence of hers") == Done()
    assert change("another sentence of hers", "a third sentence of hers") == Done()
