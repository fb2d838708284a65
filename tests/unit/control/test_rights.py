from control.rights import ADMIN, AUDITOR, RIGHTS, USER, Right, may
from control.users import ROLES


def test_every_role_that_a_user_may_have_has_rights_and_no_other_has():
    assert set(RIGHTS) == set(ROLES)
    assert not may("root", Right.ONESELF)


def test_a_user_sees_nothing_of_others():
    assert RIGHTS[USER] == {Right.ONESELF, Right.USE_SECRETS}


def test_an_auditor_sees_everything_and_manages_nothing():
    assert RIGHTS[ADMIN] - RIGHTS[AUDITOR] == {Right.MANAGE}
