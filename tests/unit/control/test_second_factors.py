import pyotp
import pytest

from control import second_factors, users
from control.errors import ConflictError, IntegrityError, InvalidError
from control.requests import AddUser
from storage.account_tables import RecoveryCodeRow, TOTPRow

from .conftest import ARGON2


@pytest.fixture
def ada(database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        session.flush()
        return users.find(session, "ada").id


@pytest.fixture
def enrolled(database, vault, clock, ada):
    """The generator of ada's device, and her recovery codes; a minute later."""
    with database.transaction() as session:
        enrolment = second_factors.begin(session, vault, ada, "ada", "bastion")
    totp = pyotp.parse_uri(enrolment.uri)
    assert isinstance(totp, pyotp.TOTP)
    assert totp.secret == enrolment.key
    assert totp.issuer == "proxyd bastion"
    with database.transaction() as session:
        codes = second_factors.confirm(session, vault, ada, totp.at(clock.now()), clock.now())
    clock.advance(60)
    return totp, codes


@pytest.fixture
def verify(database, vault, clock, ada):
    def verify(code: str) -> bool:
        with database.transaction() as session:
            return second_factors.verify(session, vault, ada, code, clock.now())

    return verify


def state(database, user_id):
    with database.read() as session:
        return second_factors.state(session, user_id)


def test_a_code_of_the_device_is_taken_once(enrolled, verify, clock):
    totp, _ = enrolled
    code = totp.at(clock.now())
    assert verify(code)
    assert not verify(code)


def test_a_code_older_than_one_that_was_taken_is_refused(enrolled, verify, clock):
    totp, _ = enrolled
    clock.advance(120)
    assert verify(totp.at(clock.now()))
    assert not verify(totp.at(clock.now(), counter_offset=-1))


def test_the_code_that_confirmed_the_device_lets_nobody_in(database, vault, clock, ada, verify):
    with database.transaction() as session:
        key = second_factors.begin(session, vault, ada, "ada", "bastion").key
    code = pyotp.TOTP(key).at(clock.now())
    with database.transaction() as session:
        second_factors.confirm(session, vault, ada, code, clock.now())
    assert not verify(code)


def test_a_clock_may_be_half_a_minute_off_and_no_more(enrolled, verify, clock):
    totp, _ = enrolled
    clock.advance(120)
    assert not verify(totp.at(clock.now(), counter_offset=-2))
    assert not verify(totp.at(clock.now(), counter_offset=2))
    assert verify(totp.at(clock.now(), counter_offset=1))


def test_a_recovery_code_is_taken_once_however_it_is_typed(enrolled, verify, database, ada):
    _, codes = enrolled
    assert len(set(codes)) == second_factors.RECOVERY_CODES
    assert verify(f" {codes[0].upper().replace('-', ' ')} ")
    assert not verify(codes[0])
    assert state(database, ada).recovery_codes == second_factors.RECOVERY_CODES - 1


def test_a_device_that_was_not_confirmed_lets_nobody_in(database, vault, clock, ada, verify):
    with database.transaction() as session:
        key = second_factors.begin(session, vault, ada, "ada", "bastion").key
    assert not verify(pyotp.TOTP(key).at(clock.now()))
    assert not state(database, ada).any
    with database.transaction() as session, pytest.raises(InvalidError, match="clock"):
        second_factors.confirm(session, vault, ada, "000000", clock.now())


def test_a_second_device_does_not_take_the_place_of_the_first(enrolled, database, vault, ada):
    with database.transaction() as session, pytest.raises(ConflictError):
        second_factors.begin(session, vault, ada, "ada", "bastion")


def test_new_recovery_codes_end_the_old_ones(enrolled, verify, database, vault, ada):
    _, old = enrolled
    with database.transaction() as session:
        new = second_factors.renew_recovery_codes(session, vault, ada)
    assert not verify(old[0])
    assert verify(new[0])


def test_a_reset_forgets_everything(enrolled, verify, database, ada, clock):
    totp, codes = enrolled
    with database.transaction() as session:
        second_factors.reset(session, ada)
    assert not state(database, ada).any
    assert not verify(codes[0])
    assert not verify(totp.at(clock.now()))


@pytest.mark.parametrize(
    "code",
    ["", "12345", "\uff11\uff12\uff13\uff14\uff15\uff16", "a" * 5000, "\udcff", "123456\n1"],
)
def test_nonsense_is_no_code(enrolled, verify, code):
    assert not verify(code)


def test_the_database_holds_neither_key_nor_codes(enrolled, database):
    totp, codes = enrolled
    with database.read() as session:
        rows = [*session.query(TOTPRow), *session.query(RecoveryCodeRow)]
        held = str([vars(row) for row in rows])
    assert totp.secret not in held
    assert not any(code in held for code in codes)


def test_a_key_put_into_another_row_opens_nothing(enrolled, database, vault, clock, ada):
    with database.transaction() as session:
        users.add(session, AddUser(name="eve", password=""), ARGON2, clock.now())
        session.flush()
        eve = users.find(session, "eve").id
        row = session.get_one(TOTPRow, ada)
        session.add(
            TOTPRow(user_id=eve, sealed=row.sealed, confirmed_at=clock.now(), last_step=-1)
        )
    with database.transaction() as session, pytest.raises(IntegrityError, match="altered"):
        second_factors.verify(session, vault, eve, "123456", clock.now())
