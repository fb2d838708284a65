import pyotp
import pytest

from bus.contract import DenialReason
from control import second_factors, users
from control.errors import DeniedError, InvalidError
from control.log_in import Known, LogIn, Origin, Refused
from control.requests import AddUser
from storage.tables import AuditRow

PASSWORD = "a sentence of hers"
HERE = Origin(address="192.0.2.1", by="page")
ELSEWHERE = Origin(address="198.51.100.7", by="engine-1")


@pytest.fixture(scope="session")
def hashed():
    return users.hash_password(PASSWORD)


@pytest.fixture
def log_in(database, vault, clock, hashed):
    with database.transaction() as session:
        users.add(session, AddUser(name="bea", password=""), hashed, clock.now())
    return LogIn(database, vault, clock)


@pytest.fixture
def device(log_in, database, vault, clock):
    """What bea's device shows; a minute after it was confirmed."""
    bea = log_in.who("bea")
    with database.transaction() as session:
        key = second_factors.begin(session, vault, bea.id, "bea", "bastion").key
    totp = pyotp.TOTP(key)
    with database.transaction() as session:
        second_factors.confirm(session, vault, bea.id, totp.at(clock.now()), clock.now())
    clock.advance(60)
    return totp


def fail(log_in: LogIn, times: int, origin: Origin = HERE, name: str = "bea") -> Refused:
    for _ in range(times):
        refused = log_in.password(name, "a wrong guess", origin)
    assert isinstance(refused, Refused)
    return refused


def test_a_password_says_who_it_is_and_what_is_still_to_come(log_in):
    known = log_in.password("bea", PASSWORD, HERE)
    assert isinstance(known, Known)
    assert (known.name, known.role) == ("bea", "user")
    assert not known.awaits_second_factor
    assert not known.must_change_password


def test_whoever_guesses_waits_and_the_user_elsewhere_does_not(log_in):
    assert fail(log_in, 4).reason is DenialReason.WRONG_PASSWORD
    refused = log_in.password("bea", PASSWORD, HERE)
    assert refused == Refused(reason=DenialReason.LOCKED_OUT, wait_s=2)
    assert isinstance(log_in.password("bea", PASSWORD, ELSEWHERE), Known)


def test_a_try_while_waiting_is_not_counted(log_in, clock):
    fail(log_in, 4)
    for _ in range(20):
        assert fail(log_in, 1).reason is DenialReason.LOCKED_OUT
    clock.advance(2.001)
    assert isinstance(log_in.password("bea", PASSWORD, HERE), Known)


def test_a_name_that_is_nobodys_waits_just_the_same(log_in):
    assert fail(log_in, 4, name="nobody").reason is DenialReason.UNKNOWN
    assert fail(log_in, 1, name="nobody").reason is DenialReason.LOCKED_OUT


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("192.0.2.9", "192.0.2.9"),
        ("socket", "socket"),
    ],
)
def test_tries_are_counted_for_whoever_has_the_addresses(address, network):
    assert Origin(address=address, by="page").network == network


def test_a_second_factor_is_asked_for_and_spent(log_in, device, clock):
    known = log_in.password("bea", PASSWORD, HERE)
    assert isinstance(known, Known)
    assert known.awaits_second_factor
    code = device.at(clock.now())
    assert log_in.second_factor(known, code, HERE) is None
    assert log_in.second_factor(known, code, HERE) == Refused(
        reason=DenialReason.WRONG_SECOND_FACTOR
    )


def test_codes_cannot_be_guessed_from_many_places_at_once(log_in, device, clock):
    known = log_in.who("bea")
    for number in range(4):
        origin = Origin(address=f"192.0.2.{number}", by="page")
        assert log_in.second_factor(known, "000000", origin)
    refused = log_in.second_factor(known, device.at(clock.now()), ELSEWHERE)
    assert refused == Refused(reason=DenialReason.LOCKED_OUT, wait_s=2)


def test_a_password_is_changed_by_who_knows_the_old_one(log_in, database):
    bea = log_in.who("bea")
    with pytest.raises(DeniedError, match="old password"):
        log_in.change_password(bea, "a wrong guess", "another sentence", HERE)
    with pytest.raises(InvalidError, match="is the old one"):
        log_in.change_password(bea, PASSWORD, PASSWORD, HERE)
    with pytest.raises(InvalidError, match="fewer than 12"):
        log_in.change_password(bea, PASSWORD, "short", HERE)
    log_in.change_password(bea, PASSWORD, "another sentence", HERE)
    assert isinstance(log_in.password("bea", "another sentence", HERE), Known)


def test_a_disabled_user_is_nobody(log_in, database):
    with database.transaction() as session:
        users.disable(session, "bea")
    assert log_in.who("bea") is None
    refused = log_in.password("bea", PASSWORD, HERE)
    assert refused == Refused(reason=DenialReason.USER_DISABLED)


def test_every_refusal_is_in_the_audit_trail_without_what_was_typed(log_in, database):
    log_in.password("hunter2", "hunter3", HERE)
    log_in.password("bea", "hunter3", ELSEWHERE)
    with database.read() as session:
        rows = [
            (row.who, row.subject, row.detail)
            for row in session.query(AuditRow).where(AuditRow.action == "user.denied")
        ]
    assert rows == [
        ("stranger", "(not a user)", "unknown from 192.0.2.1 by page"),
        ("bea", "bea", "wrong_password from 198.51.100.7 by engine-1"),
    ]
