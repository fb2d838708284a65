import pytest
from sqlalchemy import select

from bus.contract import HostKeyPolicy, PinHostKey
from control import pins, secrets
from control.audit import Act
from control.errors import ConflictError, InvalidError
from control.requests import EditSecret
from storage.tables import AuditRow, SessionRow

from .conftest import presented
from .test_secrets import HOST_KEY

ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def pin(database, session_id, clock):
    def pin(host_key):
        with database.transaction() as session:
            request = PinHostKey(session_id=session_id, host_key=host_key)
            return pins.pin(session, Act("session", clock.now()), request)

    return pin


@pytest.fixture
def edit(database, vault, clock):
    def edit(**changes):
        with database.transaction() as session:
            secrets.edit(session, vault, EditSecret(name="web1", **changes), clock.now())

    return edit


def test_the_first_key_wins_and_leaves_a_trace(pin, database):
    assert pin(f"{HOST_KEY} comment") == pin(ANOTHER_KEY) == (HOST_KEY,)
    with database.read() as session:
        [noted] = session.scalars(select(AuditRow).where(AuditRow.action == "host_key.pinned"))
    assert (noted.subject, noted.detail) == ("web1", HOST_KEY)


def test_the_pinned_key_goes_into_the_next_grant(pin, grants, issue):
    pin(HOST_KEY)
    assert grants.redeem(presented(issue())).host_keys == (HOST_KEY,)


def test_a_moved_secret_learns_nothing_from_its_old_target(pin, edit):
    edit(host="elsewhere")
    assert pin(HOST_KEY) == ()


def test_a_removed_secret_learns_nothing(pin, database):
    with database.transaction() as session:
        secrets.remove(session, "web1")
    assert pin(HOST_KEY) == ()


def test_only_trust_on_first_use_pins(pin, edit):
    edit(host_key_policy=HostKeyPolicy.ANY)
    assert pin(HOST_KEY) == ()


def test_a_session_that_is_over_pins_nothing(pin, database, session_id):
    with database.transaction() as session:
        session.get(SessionRow, session_id).state = "finished"
    with pytest.raises(ConflictError, match="is not live"):
        pin(HOST_KEY)


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !!!!", "hunter2"])
def test_what_is_no_host_key_is_not_pinned(pin, key):
    with pytest.raises(InvalidError):
        pin(key)
