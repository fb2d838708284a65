"""Commands that broke rules, as engines tell of them: noted, or put before somebody."""

import datetime as dt
import uuid

import pytest
from sqlalchemy import select

from bus.command_reports import CommandReport, HoldCommand
from control import approvals, command_reports
from control.audit import Act
from control.errors import NotFoundError
from storage.tables import AuditRow, SessionRow

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def live(database, clock):
    session_id = uuid.uuid4()
    with database.transaction() as session:
        session.add(
            SessionRow(
                id=session_id,
                protocol="ssh",
                state="live",
                user="ada",
                secret="web1",
                target="web1:22",
                site="default",
                engine="engine-1",
                client_address="192.0.2.1",
                credential_id=None,
                started_at=clock.now(),
                chunks=0,
                input_bytes=0,
                output_bytes=0,
                chain_broken=False,
            )
        )
    return session_id


@pytest.fixture
def hold(database, clock, live):
    def hold(asked=None, *, given_up=False, at=None):
        request = HoldCommand(
            session_id=live, rule="r", sealed_command=b"", asked=asked, given_up=given_up
        )
        with database.transaction() as session:
            return command_reports.hold(session, request, "restart it", at or clock.now())

    return hold


def test_a_command_without_text_is_no_request_for_the_secret(database, clock, live):
    request = HoldCommand(session_id=live, rule="r", sealed_command=b"")
    with database.transaction() as session:
        held = command_reports.hold(session, request, " ", clock.now())
        assert approvals.find(session, held.asked).command.strip()


def test_a_report_is_a_row_of_the_trail(database, clock, live):
    report = CommandReport(
        session_id=live, rule="r", action="notice", outcome="refused", sealed_command=b""
    )
    with database.transaction() as session:
        command_reports.note(session, report, "wipe it", clock.now())
    with database.read() as session:
        [row] = session.scalars(select(AuditRow))
    assert (row.who, row.action, row.subject) == ("ada", "command.matched", str(live))
    assert row.detail == "rule r (notice, refused) of web1: wipe it"


@pytest.mark.parametrize("approved_for", [None, HOUR])
def test_what_is_held_goes_as_somebody_decides_and_opens_nothing_else(
    database, clock, hold, approved_for
):
    asked = hold().asked
    assert hold(asked).approved is None
    with database.transaction() as session:
        act = Act("root", clock.now())
        approvals.decide(session, asked, act, "ask me at noon", approved_for=approved_for)
    stands = hold(asked)
    assert stands.approved is (approved_for is not None)
    assert stands.said.endswith(" by root: ask me at noon")
    with database.read() as session:
        [listed] = approvals.list_all(session, clock.now(), pending=False)
    assert listed.command == "restart it"


def test_what_is_given_up_or_too_old_is_not_run(hold, clock):
    asked = hold().asked
    assert hold(asked, given_up=True).approved is False
    assert hold(asked).said == "withdrawn by ada"
    late = hold().asked
    gone = hold(late, at=clock.now() + 2 * HOUR)
    assert (gone.approved, gone.said) == (False, "nobody has approved it within an hour")


def test_a_request_that_was_never_made_is_none(hold):
    with pytest.raises(NotFoundError):
        hold(uuid.uuid4())
