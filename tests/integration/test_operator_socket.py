"""Operators and a node, over the real socket in a real state directory."""

import asyncio
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from bus.contract import CommandResult, Grant, MessageUser, RedeemCredential, TerminateSession
from bus.errors import BusUnavailableError
from bus.proof import proof
from bus.sealed import Opener
from config.errors import ConfigError
from config.model import OnLoss, Settings
from control import engines, master_key, operator_socket
from control.audit import Act
from control.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from control.grants import Grants
from control.live import BusLiveSessions
from control.live_requests import FollowSession, LiveFrames
from control.offline import open_operations
from control.operations import Operations
from control.operator_client import connect
from control.operator_socket import OperatorSocket
from control.requests import (
    AddSecret,
    AddUser,
    AskStatus,
    Done,
    GrantAccess,
    IssueCredential,
    IssuedCredential,
    ListCredentials,
    ListSecrets,
    ListSessions,
    MessageSession,
    RevokeCredential,
    ShowSecret,
)
from control.requests import TerminateSession as Terminate
from control.state_dir import Initialiser
from control.state_lock import SOCKET_NAME, StateDirHeldError, hold, socket_address
from control.vault import open_vault
from recorder.clock import SystemClock
from recorder.session_info import TargetProtocol
from storage.database import Database

CANARY = "hunter2-canary-sentence"
WEB1 = AddSecret(
    name="web1",
    protocol=TargetProtocol.SSH,
    host="127.0.0.1",
    port=22,
    username="root",
    password=CANARY,
)
ADA = AddUser(name="ada", password=CANARY)


class RecordingEngine:
    """The bus with one engine on it, which notes what it was told."""

    def __init__(self) -> None:
        self.told = []
        self.answers = True
        self.frames = [b"one", b"two"]
        self.followed = asyncio.Event()

    async def command(self, engine_id, command) -> CommandResult:
        if not self.answers:
            raise BusUnavailableError("nobody there")
        self.told.append((engine_id, command))
        return CommandResult(done=True)

    async def follow(self, session_id) -> AsyncIterator[bytes]:
        if not self.answers:
            raise BusUnavailableError("nobody there")
        self.followed.set()
        for frame in self.frames:
            yield frame
        if not self.frames:
            await asyncio.Event().wait()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(state_dir=tmp_path / "state", public_host="bastion.example.org")
    Initialiser(settings, SystemClock()).run()
    return settings


@pytest.fixture
def engine() -> RecordingEngine:
    return RecordingEngine()


@asynccontextmanager
async def running(settings: Settings, engine: RecordingEngine) -> AsyncIterator[OperatorSocket]:
    """A node that serves operators and does nothing else."""
    with (
        hold(settings.state_dir),
        open_operations(settings, live=BusLiveSessions(engine)) as ops,
    ):
        server = OperatorSocket(settings.state_dir, ops, engine.follow)
        async with server.serving():
            yield server


def ask(settings: Settings, *requests):
    """What the command line does, one request after the other; the last answer counts."""
    with connect(settings, patience_s=0.2) as operator:
        return [operator.call(request) for request in requests][-1]


def open_a_session(settings: Settings, issued: IssuedCredential) -> UUID:
    database = Database(settings.database_url)
    try:
        vault = open_vault(database, master_key.locate(settings, None))
        grants = Grants(database, vault, SystemClock(), default_on_loss=OnLoss.REQUIRE)
        with database.transaction() as session:
            act = Act("test", SystemClock().now())
            engines.admit_local(session, "engine-1", "default", act)
        grant = grants.redeem(
            RedeemCredential(
                engine_id="engine-1",
                site="default",
                protocol=TargetProtocol.SSH,
                username=issued.username,
                password_proof=proof(issued.username, issued.password),
                client_address="127.0.0.1",
                seal_to=Opener().public,
            )
        )
    finally:
        database.close()
    assert isinstance(grant, Grant)
    return grant.session_id


ISSUE = IssueCredential(secret=WEB1.name, user=ADA.name)
SET_UP = (WEB1, ADA, GrantAccess(user=ADA.name, secret=WEB1.name))


def test_without_a_node_the_command_line_does_it_itself(settings):
    issued = ask(settings, *SET_UP, ISSUE)
    assert issued.host == "bastion.example.org"
    assert [one.id for one in ask(settings, ListCredentials())] == [issued.id]
    assert not ask(settings, AskStatus()).running


async def test_a_running_node_answers(settings, engine):
    async with running(settings, engine):
        issued = await asyncio.to_thread(ask, settings, *SET_UP, ISSUE)
        listed = await asyncio.to_thread(ask, settings, ListSecrets())
    assert isinstance(issued, IssuedCredential)
    assert [secret.name for secret in listed] == ["web1"]


async def test_an_error_is_the_same_over_the_socket_and_without_a_node(settings, engine):
    async with running(settings, engine):
        with pytest.raises(NotFoundError, match="no secret is named `web9`; `proxyd secret li"):
            await asyncio.to_thread(ask, settings, ShowSecret(name="web9"))
        with pytest.raises(InvalidError, match=r"\$.name"):
            await asyncio.to_thread(ask, settings, msgspec.structs.replace(WEB1, name="-"))
    with pytest.raises(NotFoundError, match="no secret is named `web9`; `proxyd secret list`"):
        ask(settings, ShowSecret(name="web9"))
    with pytest.raises(InvalidError, match=r"\$.name"):
        ask(settings, msgspec.structs.replace(WEB1, name="-"))


async def test_the_socket_is_for_its_owner_alone(settings, engine):
    async with running(settings, engine):
        mode = (settings.state_dir / SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_another_user_is_refused_whatever_the_mode(settings, engine, monkeypatch):
    monkeypatch.setattr(operator_socket, "_peer_uid", lambda connection: 65534)
    async with running(settings, engine):
        with pytest.raises(DeniedError, match="nobody may not give proxyd orders: use sudo"):
            await asyncio.to_thread(ask, settings, ListSecrets())


def test_the_peer_is_who_the_kernel_says():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert operator_socket._peer_uid(ours) == os.geteuid()


async def test_a_state_directory_may_lie_deeper_than_a_socket_path_is_long(tmp_path, engine):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    settings = Settings(state_dir=deep / "state")
    Initialiser(settings, SystemClock()).run()
    async with running(settings, engine):
        assert await asyncio.to_thread(ask, settings, ListSecrets()) == []


async def test_the_socket_of_a_killed_node_is_replaced(settings, engine):
    left_behind = socket.socket(socket.AF_UNIX)
    with socket_address(settings.state_dir) as address:
        left_behind.bind(address)
    left_behind.close()
    assert ask(settings, ListSecrets()) == []
    async with running(settings, engine):
        assert await asyncio.to_thread(ask, settings, ListSecrets()) == []


def test_a_second_node_is_refused_and_told_who_the_first_is(settings):
    program = (
        "import sys, pathlib; from control.state_lock import hold\n"
        "with hold(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", program, settings.state_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with first:
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(StateDirHeldError, match=f"process {first.pid} uses the state dir"),
            hold(settings.state_dir),
        ):
            pass
        with pytest.raises(ConflictError, match=f"process {first.pid} uses"):
            ask(settings, ListSecrets())
        first.send_signal(signal.SIGKILL)
    assert ask(settings, ListSecrets()) == []


def test_a_node_that_was_never_set_up_says_so(tmp_path):
    with pytest.raises(ConfigError, match="run `proxyd init`"):
        ask(Settings(state_dir=tmp_path / "nothing"), ListSecrets())


async def test_terminating_tells_the_engine_and_the_reason(settings, engine):
    session_id = open_a_session(settings, ask(settings, *SET_UP, ISSUE))
    async with running(settings, engine):
        done = await asyncio.to_thread(
            ask,
            settings,
            MessageSession(id=session_id, text="lunch"),
            Terminate(id=session_id, reason="over"),
        )
    assert done == Done()
    assert engine.told == [
        ("engine-1", MessageUser(session_id=session_id, text="lunch")),
        ("engine-1", TerminateSession(session_id=session_id, reason="over")),
    ]


async def test_revoking_a_credential_ends_what_it_opened(settings, engine):
    issued = ask(settings, *SET_UP, ISSUE)
    session_id = open_a_session(settings, issued)
    async with running(settings, engine):
        await asyncio.to_thread(ask, settings, RevokeCredential(id=issued.id))
    [(_, told)] = engine.told
    assert (told.session_id, told.reason) == (session_id, "credential revoked")


async def test_an_engine_that_does_not_answer_is_no_silent_success(settings, engine):
    issued = ask(settings, *SET_UP, ISSUE)
    session_id = open_a_session(settings, issued)
    engine.answers = False
    async with running(settings, engine):
        with pytest.raises(UnreachableError, match=f"could not be ended: session {session_id}"):
            await asyncio.to_thread(ask, settings, RevokeCredential(id=issued.id))
        [listed] = await asyncio.to_thread(ask, settings, ListCredentials())
    assert listed.state == "revoked"


def test_nothing_live_can_be_done_where_no_node_runs(settings):
    session_id = open_a_session(settings, ask(settings, *SET_UP, ISSUE))
    with pytest.raises(UnreachableError, match="no proxyd is running here"):
        ask(settings, Terminate(id=session_id, reason="over"))
    with pytest.raises(UnreachableError, match="no proxyd is running here"):
        ask(settings, FollowSession(id=session_id))


async def test_a_live_session_is_followed(settings, engine):
    session_id = open_a_session(settings, ask(settings, *SET_UP, ISSUE))
    async with running(settings, engine):
        followed = await asyncio.to_thread(ask, settings, FollowSession(id=session_id))
        with pytest.raises(NotFoundError):
            await asyncio.to_thread(ask, settings, FollowSession(id=uuid4()))
        engine.answers = False
        with pytest.raises(UnreachableError, match="cannot be followed: nobody there"):
            await asyncio.to_thread(ask, settings, FollowSession(id=session_id))
    assert followed == [LiveFrames(body=b"one"), LiveFrames(body=b"two")]


async def test_clients_that_vanish_stall_or_talk_nonsense_hurt_nobody(
    settings, engine, monkeypatch
):
    monkeypatch.setattr(operator_socket, "_REQUEST_LIMIT_S", 0.2)
    engine.frames = []
    session_id = open_a_session(settings, ask(settings, *SET_UP, ISSUE))
    async with running(settings, engine) as server:
        silent = _dial(settings)
        _dial(settings, b"\xff\xff\xff\xff").close()
        _dial(settings, b"\x00\x00\x00\x03abc").close()
        watcher = _dial(settings, _framed(FollowSession(id=session_id)))
        await engine.followed.wait()
        watcher.close()
        # Those before it have begun to be waited for: who comes now may take his time.
        monkeypatch.setattr(operator_socket, "_REQUEST_LIMIT_S", 30)
        assert await asyncio.to_thread(ask, settings, ListSessions(live=True))
        async with asyncio.timeout(30):
            # All but the one that the next client waits for.
            for _ in range(operator_socket._MAX_CONNECTIONS - 1):
                await server._slots.acquire()
        silent.close()


async def test_a_defect_ends_one_request_and_not_the_node(settings, engine, monkeypatch):
    def broken(self, request, who):
        raise RuntimeError("a defect of ours")

    async with running(settings, engine):
        with monkeypatch.context() as patch:
            patch.setattr(Operations, "carry_out", broken)
            with pytest.raises(UnreachableError, match="went away before it had answered; see"):
                await asyncio.to_thread(ask, settings, ListSecrets())
        assert await asyncio.to_thread(ask, settings, ListSecrets()) == []


async def test_a_node_that_stops_in_mid_answer_is_told_apart_from_the_end(settings, engine):
    engine.frames = []
    session_id = open_a_session(settings, ask(settings, *SET_UP, ISSUE))
    async with running(settings, engine):
        following = asyncio.get_running_loop().run_in_executor(
            None, ask, settings, FollowSession(id=session_id)
        )
        await engine.followed.wait()
    with pytest.raises(UnreachableError, match="went away before it had answered"):
        await following


async def test_a_node_without_a_file_to_spare_hears_operators_later(
    settings, engine, monkeypatch
):
    monkeypatch.setattr(operator_socket, "_ACCEPT_AGAIN_S", 0.01)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with running(settings, engine):
        await asyncio.to_thread(ask, settings, AskStatus())
        with (
            socket_address(settings.state_dir) as where,
            socket.socket(socket.AF_UNIX) as knocking,
        ):
            resource.setrlimit(resource.RLIMIT_NOFILE, (knocking.fileno() + 1, before[1]))
            try:
                knocking.connect(where)
                await asyncio.sleep(0.1)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert await asyncio.to_thread(ask, settings, ListSecrets()) == []


async def test_twenty_operators_at_once_are_all_answered(settings, engine):
    loop = asyncio.get_running_loop()
    # Threads of their own: in life the clients are other processes.
    with ThreadPoolExecutor(20) as pool:
        async with running(settings, engine):
            asked = [
                loop.run_in_executor(pool, ask, settings, ListSecrets()) for _ in range(20)
            ]
            assert await asyncio.gather(*asked) == [[]] * 20


def _dial(settings: Settings, data: bytes = b"") -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    with socket_address(settings.state_dir) as address:
        connection.connect(address)
    connection.sendall(data)
    return connection


def _framed(request) -> bytes:
    body = msgspec.msgpack.encode(request)
    return len(body).to_bytes(4, "big") + body
