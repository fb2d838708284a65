import pytest
from sqlalchemy import select

from bus.contract import DenialReason, Denied, Grant
from config.model import OnLoss
from control import credentials, nt_hashes, reconnects
from control.grants import Grants
from storage.tables import AuditRow, CredentialRow, SessionRow

from .conftest import presented

GRACE_S = 60


@pytest.fixture
def grants(database, vault, clock, engine_keys) -> Grants:
    return Grants(
        database, vault, clock, default_on_loss=OnLoss.SPOOL, reconnect_grace_s=GRACE_S
    )


@pytest.fixture
def lost(grants, issue, database, clock):
    """A pair of one use whose session has lost its client."""
    issued = issue()
    grant = grants.redeem(presented(issued))
    with database.transaction() as session:
        reconnects.lose(session, grant.session_id, clock.now())
    return issued


def refused(answer) -> bool:
    return answer == Denied(reason=DenialReason.USED_UP)


def test_the_client_comes_back_from_its_address_and_once(grants, lost, database):
    assert refused(grants.redeem(presented(lost, client_address="192.0.2.8")))
    assert isinstance(grants.redeem(presented(lost)), Grant)
    assert refused(grants.redeem(presented(lost)))
    with database.read() as session:
        [told] = session.scalars(
            select(AuditRow).where(AuditRow.action == "credential.reconnected")
        )
        assert session.get(CredentialRow, lost.id).used == 1
    assert (told.who, told.subject) == ("ada", lost.username)


def test_a_second_break_is_forgiven_like_the_first(grants, lost, database, clock):
    grant = grants.redeem(presented(lost))
    with database.transaction() as session:
        reconnects.lose(session, grant.session_id, clock.now())
    assert isinstance(grants.redeem(presented(lost)), Grant)


def test_after_the_grace_it_is_used_up(grants, lost, clock):
    clock.advance(GRACE_S)
    assert refused(grants.redeem(presented(lost)))


def test_while_the_session_goes_on_the_pair_is_used_up(grants, issue):
    issued = issue()
    grants.redeem(presented(issued))
    assert refused(grants.redeem(presented(issued)))


def test_where_there_is_no_grace_nobody_comes_back(database, vault, clock, lost):
    grants = Grants(database, vault, clock, default_on_loss=OnLoss.SPOOL)
    assert refused(grants.redeem(presented(lost)))


def test_who_was_revoked_does_not_come_back(grants, lost, database, clock):
    with database.transaction() as session:
        credentials.revoke(session, lost.id, clock.now())
    assert grants.redeem(presented(lost)) == Denied(reason=DenialReason.REVOKED)


def test_nor_does_who_has_expired(grants, issue, database, clock):
    issued = issue(ttl_s=30)
    grant = grants.redeem(presented(issued))
    clock.advance(31)
    with database.transaction() as session:
        reconnects.lose(session, grant.session_id, clock.now())
    assert grants.redeem(presented(issued)) == Denied(reason=DenialReason.EXPIRED)


def test_the_hash_of_nla_is_kept_as_long_as_the_client_may_come_back(
    grants, issue, database, clock
):
    issued = issue()
    session_id = grants.redeem(presented(issued)).session_id

    def is_kept() -> bool:
        with database.transaction() as session:
            nt_hashes.wipe_spent(session, clock.now(), GRACE_S)
            return session.get(CredentialRow, issued.id).nt_hash is not None

    with database.transaction() as session:
        session.get(CredentialRow, issued.id).nt_hash = b"sealed"
    assert is_kept()
    with database.transaction() as session:
        session.get(SessionRow, session_id).state = "finished"
        reconnects.lose(session, session_id, clock.now())
    clock.advance(GRACE_S - 1)
    assert is_kept()
    clock.advance(1)
    assert not is_kept()
