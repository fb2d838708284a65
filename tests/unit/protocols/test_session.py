from itertools import product

import pytest

from protocols.errors import LocalProtocolError
from protocols.session import TRANSITIONS, Happened, Session, State


def after(*reports: Happened) -> State | None:
    """Where a session is after `reports`; None where they cannot happen in this order."""
    session = Session()
    try:
        for report in reports:
            session.happened(report)
    except LocalProtocolError:
        return None
    return session.state


def test_a_granted_session_with_a_ready_target_relays():
    reports = (Happened.CREDENTIAL_PRESENTED, Happened.GRANTED, Happened.TARGET_READY)
    assert after(*reports) is State.RELAYING


def test_no_order_of_events_relays_without_a_grant():
    others = [report for report in Happened if report is not Happened.GRANTED]
    for length in range(1, 6):
        for reports in product(others, repeat=length):
            assert after(*reports) not in {State.DIALLING, State.RELAYING}


def test_what_cannot_happen_is_named_with_where_it_happened():
    with pytest.raises(LocalProtocolError, match="TARGET_READY cannot happen in CONNECTED"):
        Session().happened(Happened.TARGET_READY)


def test_what_cannot_happen_changes_nothing():
    session = Session()
    with pytest.raises(LocalProtocolError):
        session.happened(Happened.GRANTED)
    assert session.state is State.CONNECTED


def test_every_living_state_can_lose_its_connection():
    living = [state for state in State if state is not State.ENDED]
    assert all(TRANSITIONS[s][Happened.CONNECTION_LOST] is State.ENDED for s in living)


def test_nothing_happens_after_the_end():
    assert not TRANSITIONS[State.ENDED]
