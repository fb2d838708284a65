import hashlib

import pytest

from control import approval_requests as approval
from control import logins, users
from control import requests as ask
from control.account_requests import CreateToken, EnableUser, RevokeToken
from control.errors import DeniedError, NotFoundError
from control.launch_operations import LinkRefused
from control.launch_requests import IssuedLaunchLink, LaunchedClient, MakeLaunchLink
from control.log_in import Origin
from control.requests import AddUser
from recorder.session_info import TargetProtocol
from storage.tables import AuditRow, CredentialRow

from .conftest import ARGON2, web1

HERE = Origin(address="192.0.2.9", by="page")
REFUSED = LinkRefused()


@pytest.fixture
def do(operations):
    def do(request, who="root"):
        return list(operations.carry_out(request, who))

    return do


@pytest.fixture
def login(database, clock, do) -> bytes:
    """Of ada, who may reach web1."""
    with database.transaction() as session:
        for name in ("ada", "bea"):
            users.add(session, AddUser(name=name, password=""), ARGON2, clock.now())
        session.flush()
        ada = users.find(session, "ada").id
        presented = logins.begin(session, ada, "192.0.2.1", clock.now(), second_factor=False)
    do(web1())
    do(ask.GrantAccess(user="ada", secret="web1"))
    return hashlib.sha256(presented.encode()).digest()


@pytest.fixture
def make(do, login):
    def make(**other) -> str:
        wanted = {"secret": "web1", "user": "ada", "login": login} | other
        [made] = do(MakeLaunchLink(**wanted), "ada")
        assert isinstance(made, IssuedLaunchLink)
        return made.path.rpartition("/")[2]

    return make


@pytest.fixture
def redeem(operations):
    def redeem(token: str, origin: Origin = HERE):
        return operations.launches.redeem(token, origin)

    return redeem


def acts(database) -> list[AuditRow]:
    with database.read() as session:
        return session.query(AuditRow).order_by(AuditRow.id.desc()).all()


def test_whoever_follows_a_link_is_given_a_credential_for_one_connection(
    make, redeem, database, clock
):
    launched = redeem(make())
    assert isinstance(launched, LaunchedClient)
    assert (launched.kind, launched.host, launched.port) == (TargetProtocol.SSH, "gate", 22)
    assert launched.secret == "web1"
    with database.read() as session:
        row = session.query(CredentialRow).one()
    assert (row.username, row.uses, row.used) == (launched.username, 1, 0)
    assert (launched.expires_at - clock.now()).total_seconds() == 120
    assert launched.notice


def test_the_trail_tells_of_the_link_and_never_what_it_is(make, redeem, database):
    token = make()
    launched = redeem(token)
    rows = [(row.who, row.action, row.subject) for row in acts(database)]
    [credential] = [row[2] for row in rows if row[1] == "credential.issued"]
    assert rows[:3] == [
        ("ada", "credential.issued", credential),
        ("ada", "launch_link.redeemed", "web1"),
        ("ada", "launch_link.made", "web1"),
    ]
    for row in acts(database):
        for hidden in (token, launched.password):
            assert hidden not in f"{row.subject} {row.detail}"


def end_log_in(do, database, login):
    with database.transaction() as session:
        logins.end(session, login)


def revoke_access(do, database, login):
    do(ask.RevokeAccess(user="ada", secret="web1"))


def disable(do, database, login):
    do(ask.DisableUser(name="ada"))
    do(EnableUser(name="ada"))


def remove_secret(do, database, login):
    do(ask.RemoveSecret(name="web1"))


def lose_role(do, database, login):
    with database.transaction() as session:
        users.find(session, "ada").role = "nobody"


def demand_a_reason(do, database, login):
    do(approval.SetDemands(secret="web1", demands=("comment",)))


@pytest.mark.parametrize(
    "meanwhile",
    [end_log_in, revoke_access, disable, remove_secret, lose_role, demand_a_reason],
)
def test_a_link_does_not_outlive_what_it_was_made_on(
    meanwhile, make, redeem, do, database, login
):
    token = make()
    meanwhile(do, database, login)
    assert redeem(token) == REFUSED
    told = acts(database)[0]
    assert told.action == "launch_link.refused"
    whose = ("stranger", "(not a link)") if meanwhile is remove_secret else ("ada", "web1")
    assert (told.who, told.subject) == whose
    with database.read() as session:
        assert session.query(CredentialRow).count() == 0


def test_every_reason_of_refusal_is_one_answer(make, redeem, clock):
    used, expired = make(), make()
    redeem(used)
    clock.advance(61)
    assert redeem(used) == redeem(expired) == redeem("A" * 32) == redeem("") == REFUSED
    assert redeem("\udcff") == REFUSED


def test_a_link_that_was_refused_is_used_up(make, redeem, do):
    token = make()
    do(ask.RevokeAccess(user="ada", secret="web1"))
    assert redeem(token) == REFUSED
    do(ask.GrantAccess(user="ada", secret="web1"))
    assert redeem(token) == REFUSED


def test_a_link_made_with_a_token_ends_with_the_token(make, redeem, do, login):
    [token] = do(CreateToken(user="ada", name="script"))
    by_token = hashlib.sha256(token.token.encode()).digest()
    assert isinstance(redeem(make(login=by_token)), LaunchedClient)
    link = make(login=by_token)
    do(RevokeToken(id=token.id))
    assert redeem(link) == REFUSED


def test_what_a_secret_demands_is_demanded_of_a_link(make, redeem, do, database):
    do(approval.SetDemands(secret="web1", demands=("comment", "ticket")))
    with pytest.raises(DeniedError, match="comment and ticket"):
        make()
    assert isinstance(redeem(make(comment="why", ticket="T-1")), LaunchedClient)
    explained = [row for row in acts(database) if row.action == "credential.explained"]
    assert [row.detail for row in explained] == ["comment: why; ticket: T-1"]


def test_an_approval_that_is_taken_back_takes_the_link_with_it(make, redeem, do, clock):
    do(approval.SetDemands(secret="web1", demands=("approval",)))
    with pytest.raises(DeniedError, match="another person's approval"):
        make()
    [asked] = do(approval.RequestAccess(user="ada", secret="web1"), "ada")
    do(approval.ApproveAccess(id=asked.id, for_s=90), "root")
    clock.advance(60)
    launched = redeem(make())
    assert (launched.expires_at - clock.now()).total_seconds() == 30
    link = make()
    do(approval.WithdrawAccess(id=asked.id), "root")
    assert redeem(link) == REFUSED


def test_nobody_makes_a_link_for_what_there_is_not(make):
    with pytest.raises(NotFoundError):
        make(secret="nothing")


def test_whoever_guesses_waits_and_nobody_else_does(make, redeem, database):
    for number in range(30):
        assert redeem(f"guess {number}") == REFUSED
    used = make()
    redeem(used)
    trail = len(acts(database))
    for token in ("guess", used):
        assert redeem(token).wait_s > 0
    assert len(acts(database)) == trail + 1, "a guess is not written down any more"
    elsewhere = Origin(address="198.51.100.7", by="page")
    assert redeem("guess", elsewhere) == REFUSED
    assert isinstance(redeem(make()), LaunchedClient)
