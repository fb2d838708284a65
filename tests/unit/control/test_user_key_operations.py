"""What operators do with users' keys leaves a trace."""

import pytest
from sqlalchemy import select

from control import users
from control.audit import Act
from control.errors import InvalidError
from control.requests import AddUser
from control.user_key_operations import UserKeyOperations
from control.user_key_requests import AddUserKey, ListUserKeys, RemoveUserKey, SetSSHLogin
from storage.tables import AuditRow

from .conftest import ARGON2
from .test_user_keys import LINE


@pytest.fixture
def operations(database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="bea", password=""), ARGON2, clock.now())
    return UserKeyOperations(database, lambda who: Act(who, clock.now()))


def test_a_key_is_added_listed_and_removed(operations, database):
    added = operations.add(AddUserKey(user="bea", public_key=LINE), "root")
    assert operations.list(ListUserKeys(user="bea"), "root") == [added]
    operations.remove(RemoveUserKey(user="bea", fingerprint=added.fingerprint), "root")
    operations.set_login(SetSSHLogin(user="bea", policy="key"), "root")
    with database.read() as session:
        actions = list(session.scalars(select(AuditRow.action).order_by(AuditRow.id)))
    assert actions[-3:] == ["user.key_added", "user.key_removed", "user.ssh_login_set"]


def test_a_way_to_log_on_that_is_none_is_refused(operations):
    with pytest.raises(InvalidError, match="either"):
        operations.set_login(SetSSHLogin(user="bea", policy="none"), "root")
