"""A vault, a database and a clock, set up as `proxyd init` does."""

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.contract import Grant, RedeemCredential
from bus.proof import proof
from bus.sealed import Opener
from config.model import OnLoss, Settings
from control import access, credentials, engines, node_keys, secrets, users
from control import requests as ask
from control.audit import Act
from control.credentials import Gateways
from control.errors import UnreachableError
from control.grants import Grants
from control.master_key import MasterKeyFile, locate
from control.node_keys import Purpose
from control.node_requests import Status
from control.operations import ControlNode, Operations
from control.ports import TestedTarget
from control.proofs import Proofs
from control.requests import AddSecret, AddUser, IssueCredential, IssuedCredential
from control.storage_keys import StorageKeys
from control.trust import locate_control_key
from control.vault import Vault, open_vault
from recorder.clock import ManualClock
from recorder.session_info import TargetProtocol
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.retention import Retention

CANARY = "hunter2-canary-in-the-vault"
ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"

STATUS = Status(
    running=True,
    version="1",
    role="all",
    pid=1,
    live_sessions=0,
    spool_bytes=0,
    unshipped_chunks=0,
    unindexed_chunks=0,
    listening={"ssh": ("127.0.0.1:2222",)},
)

Issue = Callable[..., IssuedCredential]
Present = Callable[..., RedeemCredential]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every test finds a state directory of its own."""
    return tmp_path_factory.mktemp("control") / "state"


@pytest.fixture
def settings(place: Path, initialised: Path) -> Iterator[Settings]:
    shutil.copytree(initialised, place)
    yield Settings(state_dir=place, public_host="bastion.example.org")
    shutil.rmtree(place)


@pytest.fixture
def key_file(settings: Settings) -> MasterKeyFile:
    return locate(settings, None)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = _database(settings.database_url)
    yield database
    database.close()


@functools.cache
def _database(url: str) -> Database:
    """One that keeps the statements it compiled, while each test puts its own file there."""
    return Database(url)


@pytest.fixture
def vault(database: Database, key_file: MasterKeyFile) -> Vault:
    return open_vault(database, key_file)


@pytest.fixture
def engine_keys(database: Database, clock: ManualClock) -> dict[str, Ed25519PrivateKey]:
    """Two engines of the default site, active, and what they sign with."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("engine-1", "engine-2")}
    with database.transaction() as session:
        for name, key in keys.items():
            public = key.public_key().public_bytes_raw()
            engines.admit_local(session, name, "default", Act("test", clock.now()))
            node_keys.add(session, name, Purpose.SIGNING, public, clock.now())
    return keys


@pytest.fixture
def grants(
    database: Database,
    vault: Vault,
    clock: ManualClock,
    engine_keys: dict[str, Ed25519PrivateKey],
) -> Grants:
    return Grants(database, vault, clock, default_on_loss=OnLoss.SPOOL)


@pytest.fixture
def issue(database: Database, vault: Vault, clock: ManualClock) -> Issue:
    """Issues a credential of ada for web1, whom it makes before."""
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        secrets.add(session, vault, web1(), clock.now())
        session.flush()
        access.grant(session, "ada", "web1", clock.now())

    def issue(**terms: object) -> IssuedCredential:
        request = IssueCredential(**({"secret": "web1", "user": "ada"} | terms))
        ports = {TargetProtocol.SSH: 2222}
        gateways = Gateways(host="bastion.example.org", ports=ports)
        with database.transaction() as session:
            return credentials.issue(session, vault, gateways, request, clock.now())

    return issue


class World:
    """What surrounds the control plane; remembers what it was asked."""

    def __init__(self) -> None:
        self.ended = []
        self.shown = []
        self.logins = []
        self.engine_answers = True
        self.deaf_times = 0
        self.found: UUID | None = None

    def terminate(self, engine_id, session_id, reason) -> None:
        self.deaf_times -= 1
        if not self.engine_answers or self.deaf_times >= 0:
            raise UnreachableError(f"engine {engine_id} does not answer")
        self.ended.append((session_id, reason))

    def message(self, engine_id, session_id, text) -> None:
        self.shown.append((session_id, text))

    def search(self, text, kinds, limit):
        if text == "broken":
            raise StorageUnavailableError("the disk is full")
        found = self.found or uuid4()
        return [ask.SearchHit(session=found, at_ms=90_500, kind="output", text=text, channel=0)]

    def chunks(self, session_id, from_sequence):
        yield ask.StoredChunk(sequence=from_sequence, digest=b"", encoded=b"")

    def test(self, login) -> TestedTarget:
        self.logins.append(login)
        return TestedTarget(ok=True, detail="fine", host_key="ssh-ed25519 AAAA")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def operations(settings, database, vault, clock, world) -> Operations:
    keys = StorageKeys(database, vault)
    node = ControlNode(
        database=database,
        vault=vault,
        control_key=locate_control_key(settings.state_dir, None),
        clock=clock,
        gateways=Gateways(host="gate", ports={TargetProtocol.SSH: 22}),
        live=world,
        search=world,
        chunks=world,
        proofs=Proofs(database, keys, clock, None),
        keys=keys,
        tester=world,
        status=lambda: STATUS,
        retention=Retention(database, DatabaseBlobs(), clock),
    )
    return Operations(node)


@pytest.fixture
def session_id(grants: Grants, issue: Issue) -> UUID:
    """A live session of ada on web1."""
    grant = grants.redeem(presented(issue()))
    assert isinstance(grant, Grant)
    return grant.session_id


def web1(**terms: object) -> AddSecret:
    given = {
        "name": "web1",
        "protocol": TargetProtocol.SSH,
        "host": "web1.example.org",
        "port": 22,
        "username": "root",
        "password": CANARY,
    }
    return AddSecret(**(given | terms))


def presented(
    issued: IssuedCredential, opener: Opener | None = None, **other: object
) -> RedeemCredential:
    """What an engine sends when a client presents the credential."""
    given = {
        "engine_id": "engine-1",
        "site": "default",
        "protocol": TargetProtocol.SSH,
        "username": issued.username,
        "password_proof": proof(issued.username, issued.password),
        "client_address": "192.0.2.7",
        "seal_to": (opener or Opener()).public,
    }
    return RedeemCredential(**(given | other))
