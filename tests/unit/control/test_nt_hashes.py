import pytest
from msgspec import structs
from samples.rdp import NLAClient, challenge
from sqlalchemy import select, update

from bus.contract import DenialReason, Denied, NTLMProved, ProveNTLM
from bus.sealed import Opener, ntlm_info
from control import access, credentials, secrets
from control.credentials import Gateways
from control.errors import IntegrityError
from control.nt_hashes import NTLMCheck, wipe_spent
from control.requests import IssueCredential, IssuedCredential
from protocols.rdp.ntlm import NTLMAcceptor
from recorder.session_info import TargetProtocol
from storage.tables import AuditRow, CredentialRow

from .conftest import web1


@pytest.fixture
def desk(database, vault, clock, issue):
    """Issues credentials of ada for a secret that speaks RDP."""
    with database.transaction() as session:
        secret = web1(name="desk", protocol=TargetProtocol.RDP, port=3389)
        secrets.add(session, vault, secret, clock.now())
        session.flush()
        access.grant(session, "ada", "desk", clock.now())

    def issue_desk(**terms: object) -> IssuedCredential:
        request = IssueCredential(**({"secret": "desk", "user": "ada"} | terms))
        gateways = Gateways(host="gate", ports={TargetProtocol.RDP: 3390})
        with database.transaction() as session:
            return credentials.issue(session, vault, gateways, request, clock.now())

    return issue_desk


@pytest.fixture
def check(database, vault, clock) -> NTLMCheck:
    return NTLMCheck(database, vault, clock)


def answer(issued: IssuedCredential, password: str | None = None) -> tuple[ProveNTLM, Opener]:
    """What an engine sends when a client answers its challenge, by pyspnego."""
    client = NLAClient("ntlm", password or issued.password, "HOME")
    client.context._credential.username = issued.username.upper()
    acceptor, opener = NTLMAcceptor(challenge()), Opener()
    token = client.context.step(acceptor.challenge(client.context.step() or b""))
    attempt = acceptor.attempt(token or b"")
    request = ProveNTLM(
        engine_id="engine-1",
        site="default",
        protocol=TargetProtocol.RDP,
        username=issued.username,
        ntlm_username=attempt.username,
        ntlm_domain=attempt.domain,
        server_challenge=attempt.server_challenge,
        response=attempt.response,
        client_address="192.0.2.7",
        seal_to=opener.public,
    )
    return request, opener


def hash_of(database, issued: IssuedCredential) -> bytes | None:
    with database.read() as session:
        return session.get(CredentialRow, issued.id).nt_hash


def test_a_right_answer_is_worth_the_key_of_its_own_connection(check, desk, database):
    issued = desk()
    request, opener = answer(issued)
    proved = check.prove(request)
    assert isinstance(proved, NTLMProved)
    key = opener.open(proved.sealed_key, ntlm_info(request.server_challenge))
    assert len(key) == 16
    with database.read() as session:
        assert session.get(CredentialRow, issued.id).used == 0


def test_a_wrong_answer_and_an_unknown_name_get_no_key(check, desk, database):
    issued = desk()
    request, _ = answer(issued, "wrong")
    assert check.prove(request) == Denied(reason=DenialReason.WRONG_PASSWORD)
    request, _ = answer(issued)
    unknown = structs.replace(request, username="nobody-at-all")
    assert check.prove(unknown) == Denied(reason=DenialReason.UNKNOWN)
    with database.read() as session:
        denials = session.scalars(
            select(AuditRow).where(AuditRow.action == "credential.denied")
        )
        assert len(list(denials)) == 2


def test_the_hash_is_sealed_to_its_own_row(check, desk, database):
    one, other = desk(), desk()
    with database.transaction() as session:
        session.execute(
            update(CredentialRow)
            .where(CredentialRow.id == one.id)
            .values(nt_hash=hash_of(database, other))
        )
    request, _ = answer(one)
    with pytest.raises(IntegrityError, match=one.id):
        check.prove(request)


def test_a_credential_for_ssh_has_no_hash(issue, database, check):
    issued = issue()
    assert hash_of(database, issued) is None
    request, _ = answer(issued)
    assert isinstance(check.prove(request), Denied)


def test_the_hash_goes_when_the_credential_opens_nothing_any_more(desk, database, clock, check):
    expired, revoked, used_up, valid = desk(ttl_s=60), desk(), desk(), desk()
    with database.transaction() as session:
        credentials.revoke(session, revoked.id, clock.now())
        session.get(CredentialRow, used_up.id).used = 1
    clock.advance(61)
    check.wipe_spent()
    spent = (expired, revoked, used_up)
    assert [hash_of(database, one) for one in spent] == [None] * 3
    assert hash_of(database, valid) is not None


@pytest.mark.parametrize("wiped", [False, True])
def test_operators_read_the_real_reason_also_behind_the_wiping(
    desk, database, clock, check, wiped
):
    issued = desk(ttl_s=60)
    request, _ = answer(issued)
    clock.advance(61)
    if wiped:
        with database.transaction() as session:
            wipe_spent(session, clock.now())
    assert check.prove(request) == Denied(reason=DenialReason.EXPIRED)
