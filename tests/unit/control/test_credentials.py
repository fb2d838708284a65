import re

import pytest
from sqlalchemy import select

from config.model import RDPSettings, Settings, SSHSettings
from control import credentials, secrets, users
from control.credentials import Gateways
from control.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from control.requests import AddUser
from recorder.session_info import TargetProtocol
from storage.sqlite import database_path
from storage.tables import CredentialRow, UserRow

from .conftest import ARGON2, presented


def states(database, clock):
    with database.read() as session:
        return [one.state for one in credentials.list_all(session, clock.now())]


def test_names_and_passwords_pass_through_every_client(issue):
    for _ in range(50):
        issued = issue()
        assert re.fullmatch(r"[a-z0-9-]{8,20}", issued.username)
        assert re.fullmatch(r"[A-Za-z0-9]{24,32}", issued.password)


def test_no_two_are_alike(issue):
    issued = [issue() for _ in range(50)]
    assert len({one.username for one in issued} | {one.password for one in issued}) == 100


def test_the_database_holds_nothing_that_opens(issue, database):
    issued = issue()
    database.close()
    held = b"".join(
        path.read_bytes() for path in database_path(database.url).parent.glob("proxyd.db*")
    )
    assert issued.username.encode() in held
    assert issued.password.encode() not in held
    assert presented(issued).password_proof not in held


def test_the_password_is_in_no_command_line_and_in_no_representation(issue):
    issued = issue()
    assert issued.password not in f"{issued.commands} {issued!r}"


def test_a_list_tells_the_state_of_each(issue, grants, database, clock):
    expired = issue(ttl_s=1)
    clock.advance(2)
    used_up, revoked = issue(), issue()
    grants.redeem(presented(used_up))
    with database.transaction() as session:
        credentials.revoke(session, revoked.id, clock.now())
    clock.advance(1)
    issue()
    with database.read() as session:
        listed = {one.id: one.state for one in credentials.list_all(session, clock.now())}
    assert listed.pop(expired.id) == "expired"
    assert listed.pop(used_up.id) == "used up"
    assert listed.pop(revoked.id) == "revoked"
    assert list(listed.values()) == ["valid"]


def test_a_credential_of_a_removed_secret_is_still_listed(issue, database, clock):
    issue()
    with database.transaction() as session:
        secrets.remove(session, "web1")
    assert states(database, clock) == ["revoked"]


def test_revoking_all_of_a_user_leaves_the_others(issue, database, clock):
    issue()
    with database.transaction() as session:
        bob = users.add(session, AddUser(name="bob", password=""), ARGON2, clock.now())
        credentials.revoke_all(
            session,
            clock.now(),
            user_id=session.scalar(select(UserRow.id).filter_by(name=bob.name)),
        )
    assert states(database, clock) == ["valid"]


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        ({"secret": "web9"}, NotFoundError("no secret is named `web9`")),
        ({"user": "bob"}, NotFoundError("no user is named `bob`")),
        ({"source": "192.0.2.1/24"}, InvalidError("has host bits set")),
        ({"source": "office"}, InvalidError("write it as `192.0.2.0/24`")),
        ({"ttl_s": 1e12}, InvalidError("for a year at most")),
    ],
)
def test_what_cannot_be_issued_is_refused_with_the_next_step(issue, terms, complaint):
    with pytest.raises(type(complaint), match=str(complaint)):
        issue(**terms)


def test_without_access_there_is_no_credential(issue, database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="bob", password=""), ARGON2, clock.now())
    with pytest.raises(DeniedError, match="`proxyd access grant bob web1` lets them"):
        issue(user="bob")


def test_a_disabled_user_gets_none(issue, database):
    with database.transaction() as session:
        users.disable(session, "ada")
    with pytest.raises(DeniedError, match="user `ada` is disabled"):
        issue()


def test_a_gateway_that_is_off_is_named(issue, database):
    with database.transaction() as session:
        secrets.find(session, "web1").protocol = "rdp"
    with pytest.raises(ConflictError, match=r"set `\[rdp\] listen`"):
        issue()


def test_the_gateways_are_where_the_settings_say():
    settings = Settings(
        public_host="gate", ssh=SSHSettings(listen=("[::]:22",)), rdp=RDPSettings(listen=())
    )
    assert Gateways.of(settings) == Gateways(host="gate", ports={TargetProtocol.SSH: 22})


@pytest.mark.parametrize(("listen", "port"), [("[::]:0", 4022), ("[::]:22", 22)])
def test_a_port_that_is_left_to_the_start_is_the_one_chosen_then(listen, port):
    settings = Settings(ssh=SSHSettings(listen=(listen,)), rdp=RDPSettings(listen=()))
    gateways = Gateways.of(settings, {TargetProtocol.SSH: 4022})
    assert gateways.ports == {TargetProtocol.SSH: port}


def test_an_unknown_id_is_not_found(database, clock):
    with (
        database.transaction() as session,
        pytest.raises(NotFoundError, match="`proxyd credential list` shows them"),
    ):
        credentials.revoke(session, "nope", clock.now())


def test_revoking_twice_keeps_the_first_moment(issue, database, clock):
    issued, first = issue(), clock.now()
    for _ in range(2):
        with database.transaction() as session:
            credentials.revoke(session, issued.id, clock.now())
        clock.advance(5)
    with database.read() as session:
        assert session.get(CredentialRow, issued.id).revoked_at == first
