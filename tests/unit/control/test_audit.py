import os
from contextlib import suppress

from sqlalchemy import select

from control.audit import Act, operator_name
from storage.tables import AuditRow


def test_an_operator_is_named_as_the_system_names_them():
    assert operator_name(0) == "root"
    assert operator_name(os.geteuid())
    assert operator_name(4_000_000_000) == "uid 4000000000"


class _UndoneError(Exception):
    pass


def test_a_note_is_gone_with_the_act_it_tells_of(database, clock):
    act = Act("root", clock.now())
    with database.transaction() as session:
        act.note(session, "secret.added", "web1", "detail")
    with suppress(_UndoneError), database.transaction() as session:
        act.note(session, "secret.removed", "web1")
        raise _UndoneError
    with database.read() as session:
        [row] = session.scalars(select(AuditRow))
    assert (row.who, row.at, row.action) == ("root", clock.now(), "secret.added")
    assert (row.subject, row.detail) == ("web1", "detail")
