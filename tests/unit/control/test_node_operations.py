from sqlalchemy import select

from control import node_requests as ask
from control.audit import Act
from control.node_operations import NodeOperations
from storage.tables import AuditRow, KeyRow


def test_a_new_master_key_wraps_everything_and_is_written_down(vault, database, clock):
    node = NodeOperations(vault, database, lambda who: Act(who, clock.now()), lambda: None)
    done = node.rotate(ask.RotateMasterKey(), "ana")
    with database.read() as session:
        wrapped_by = set(session.scalars(select(KeyRow.master_key_id)))
        noted = session.scalars(
            select(AuditRow.who).where(AuditRow.action == "master_key.rotated")
        )
        assert list(noted) == ["ana"]
    assert len(wrapped_by) == 1
    assert wrapped_by.pop() in done.detail
