import msgspec
import pytest
from sqlalchemy import select

from bus.contract import TargetCredential
from config.errors import ConfigError
from control import secrets
from control.audit import Act
from control.errors import ConflictError, IntegrityError
from control.master_key import MasterKeyFile
from control.vault import open_vault
from storage.sqlite import database_path
from storage.tables import KeyRow, SecretRow

from .conftest import CANARY, web1

ANOTHER = {"password": "another"}


@pytest.fixture
def two_secrets(database, vault, clock):
    with database.transaction() as session:
        secrets.add(session, vault, web1(), clock.now())
        secrets.add(session, vault, web1(name="web2", **ANOTHER), clock.now())


@pytest.fixture
def act(clock):
    return Act("ada", clock.now())


def opened(database, vault):
    with database.read() as session:
        rows = session.scalars(select(SecretRow).order_by(SecretRow.name))
        return [vault.open(row).password for row in rows]


def test_what_is_sealed_opens(two_secrets, database, vault):
    assert opened(database, vault) == [CANARY, "another"]


def test_the_database_shows_nothing_of_it(two_secrets, database):
    database.close()
    files = [
        path.read_bytes()
        for path in database_path(database.url).parent.iterdir()
        if path.is_file()
    ]
    assert len(files) > 1
    assert all(CANARY.encode() not in held for held in files)


def test_one_rows_credential_does_not_open_in_another_row(two_secrets, database, vault):
    with database.transaction() as session:
        one, other = session.scalars(select(SecretRow).order_by(SecretRow.name))
        one.sealed, other.sealed = other.sealed, one.sealed
        one.wrapped_key, other.wrapped_key = other.wrapped_key, one.wrapped_key
    with pytest.raises(IntegrityError, match="credential of secret `web1` was altered"):
        opened(database, vault)


def test_an_old_version_does_not_open_in_the_new_one(two_secrets, database, vault):
    with database.transaction() as session:
        session.scalar(select(SecretRow)).version += 1
    with pytest.raises(IntegrityError):
        opened(database, vault)


@pytest.mark.parametrize("column", ["sealed", "wrapped_key"])
@pytest.mark.parametrize("altered", [b"", bytes(40), bytes(100)])
def test_an_altered_row_is_told_apart_from_a_wrong_password(
    two_secrets, database, vault, column, altered
):
    with database.transaction() as session:
        setattr(session.scalar(select(SecretRow)), column, altered)
    with pytest.raises(IntegrityError) as refused:
        opened(database, vault)
    assert CANARY not in str(refused.value)


def test_a_rotation_wraps_every_key_anew_and_encrypts_nothing(
    two_secrets, database, vault, key_file, act
):
    old_key = key_file.path.read_bytes()
    with database.read() as session:
        before = [(row.sealed, row.wrapped_key) for row in session.scalars(select(SecretRow))]
    key_id, rewrapped = vault.rotate(database, act)
    with database.read() as session:
        rows = list(session.scalars(select(SecretRow)))
        keys = list(session.scalars(select(KeyRow)))
    assert {row.master_key_id for row in [*rows, *keys]} == {key_id}
    assert rewrapped == 5
    assert [row.sealed for row in rows] == [sealed for sealed, _ in before]
    assert {row.wrapped_key for row in rows}.isdisjoint(wrapped for _, wrapped in before)
    assert key_file.path.read_bytes() != old_key
    assert not key_file.successor_path.exists()
    assert opened(database, vault) == opened(database, open_vault(database, key_file))


def test_proxy_credentials_outlive_a_rotation(database, vault, key_file, act):
    before = vault.mac(b"proof")
    vault.rotate(database, act)
    assert vault.mac(b"proof") == before == open_vault(database, key_file).mac(b"proof")


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of ours runs after it."""


def killed(*args):
    raise Killed


def test_killed_before_the_rows_are_wrapped_the_old_key_holds(
    two_secrets, database, vault, key_file, act, monkeypatch
):
    old_key = key_file.path.read_bytes()
    monkeypatch.setattr("control.vault._rewrap", killed)
    with pytest.raises(Killed):
        vault.rotate(database, act)
    assert key_file.successor_path.exists()
    assert opened(database, vault) == [CANARY, "another"]
    again = open_vault(database, key_file)
    assert opened(database, again) == [CANARY, "another"]
    assert key_file.path.read_bytes() == old_key
    assert not key_file.successor_path.exists()


def test_killed_before_the_rename_the_new_key_holds(
    two_secrets, database, vault, key_file, act, monkeypatch
):
    old_key = key_file.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(MasterKeyFile, "promote_successor", killed)
        with pytest.raises(Killed):
            vault.rotate(database, act)
    again = open_vault(database, key_file)
    assert opened(database, again) == [CANARY, "another"]
    assert key_file.path.read_bytes() != old_key
    assert not key_file.successor_path.exists()


def test_another_databases_key_is_refused_by_name(database, key_file):
    needed = key_file.read().id
    key_file.path.write_bytes(bytes(32))
    with pytest.raises(ConfigError, match=f"sealed with master key {needed}"):
        open_vault(database, key_file)


def test_a_key_that_systemd_keeps_rotates_to_the_one_laid_beside(
    two_secrets, database, key_file, act
):
    credential = MasterKeyFile(key_file.path, kept_by_systemd=True)
    key_file.path.chmod(0o440)
    vault = open_vault(database, credential)
    with pytest.raises(ConflictError, match=r"add one named master\.key\.new to the unit"):
        vault.rotate(database, act)
    credential.successor_path.write_bytes(b"n" * 32)
    vault.rotate(database, act)
    assert opened(database, open_vault(database, credential)) == [CANARY, "another"]


def test_no_representation_shows_a_credential(key_file, database):
    shown = f"{TargetCredential(username='root', password=CANARY)!r} {key_file.read()!r}"
    assert CANARY not in shown
    assert key_file.path.read_bytes().hex() not in shown
    assert CANARY not in repr(web1())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(web1()))["password"] == CANARY
