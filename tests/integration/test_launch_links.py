"""A launch link at several control nodes at once, on both kinds of database."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from peers.postgresql import PostgreSQLServer

from config.model import DatabaseSettings, Settings
from control import logins
from control.access import grant
from control.launch_operations import LinkRefused
from control.launch_requests import IssuedLaunchLink, LaunchedClient, MakeLaunchLink
from control.live import NoLiveSessions
from control.log_in import Origin
from control.offline import open_operations
from control.operations import Operations
from control.requests import AddSecret
from control.state_dir import Initialiser
from recorder.clock import SystemClock
from recorder.session_info import TargetProtocol
from storage.account_tables import LaunchLinkRow, LoginRow
from storage.tables import CredentialRow, UserRow

NODES = 3
HERE = Origin(address="192.0.2.1", by="page")

pytestmark = pytest.mark.peers


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "sqlite":
        yield Settings(state_dir=tmp_path / "state")
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    url = server.empty_database()
    yield Settings(state_dir=tmp_path / "state", database=DatabaseSettings(url=url))
    server.drop(url)


@pytest.fixture
def nodes(settings: Settings) -> Iterator[list[Operations]]:
    Initialiser(settings, SystemClock()).run("ada", "a sentence of ada's")
    with ExitStack() as stack:
        yield [
            stack.enter_context(open_operations(settings, NoLiveSessions()))
            for _ in range(NODES)
        ]


@pytest.fixture
def login(nodes: list[Operations]) -> bytes:
    """Ada's, who may reach web1."""
    secret = AddSecret(
        name="web1",
        protocol=TargetProtocol.SSH,
        host="web1.example",
        port=22,
        username="root",
        password="p",
    )
    list(nodes[0].carry_out(secret, "root"))
    now = nodes[0].node.clock.now()
    with nodes[0].node.database.transaction() as session:
        grant(session, "ada", "web1", now)
        ada = session.query(UserRow).one().id
        logins.begin(session, ada, "192.0.2.1", now, second_factor=False)
    with nodes[0].node.database.read() as session:
        return session.query(LoginRow).one().digest


def test_a_link_made_at_one_node_is_followed_once_at_any(
    nodes: list[Operations], login: bytes
) -> None:
    together, answers = threading.Barrier(NODES * 3), []
    wanted = MakeLaunchLink(secret="web1", user="ada", login=login)
    [link] = nodes[0].carry_out(wanted, "ada")
    assert isinstance(link, IssuedLaunchLink)
    token = link.path.rpartition("/")[2]

    def follow(node: Operations) -> None:
        together.wait(10)
        answers.append(node.launches.redeem(token, HERE))

    threads = [
        threading.Thread(target=follow, args=(node,), name="follower") for node in nodes * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    kinds = [type(answer) for answer in answers]
    assert (kinds.count(LaunchedClient), kinds.count(LinkRefused)) == (1, NODES * 3 - 1)
    with nodes[1].node.database.read() as session:
        assert session.query(CredentialRow).count() == 1
        assert session.query(LaunchLinkRow).one().used_at is not None


def test_a_link_goes_with_its_secret(nodes: list[Operations], login: bytes) -> None:
    [_] = nodes[0].carry_out(MakeLaunchLink(secret="web1", user="ada", login=login), "ada")
    with nodes[0].node.database.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM secrets WHERE name = 'web1'")
    with nodes[1].node.database.read() as session:
        assert session.query(LaunchLinkRow).count() == 0
