"""Control and engines over a real broker, with somebody at that broker who means ill."""

import asyncio
import secrets as randomness
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from peers.rabbitmq import RabbitMQ, VirtualHost, new_vhost
from peers.wiretap import Wiretap, wiretap
from samples.buses import SITE, up
from sqlalchemy import select

from bus.contract import (
    Command,
    CommandResult,
    EngineStarted,
    FetchTrustedKeys,
    Grant,
    RedeemCredential,
    SessionReady,
    TargetCredential,
    TerminateSession,
    TrustedKeys,
)
from bus.errors import BadMessageError, BusUnavailableError
from bus.identity import Identity, Introduction
from bus.proof import proof
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from bus.rabbitmq_control import RabbitControlBus
from bus.sealed import Opener, SealError, credential_info
from bus.signed import nonce_of
from config.model import OnLoss, Settings
from control import access, credentials, engines, master_key, secrets, users
from control.audit import Act
from control.credentials import Gateways
from control.grants import Grants
from control.heartbeats import Heartbeats
from control.log_in import LogIn
from control.own_account import AccountRequests
from control.requests import AddSecret, AddUser, IssueCredential, IssuedCredential
from control.rpc import EngineRequests
from control.state_dir import Initialiser
from control.trust import ControlTrust, locate_control_key
from control.user_check import UserCheck
from control.vault import open_vault
from proxyd import enrolment
from proxyd.engine_trust import EnginePrivateKeys, EngineTrust, TrustFile
from proxyd.enrolment import Enroller
from recorder.clock import SystemClock
from recorder.session_info import TargetProtocol
from storage.database import Database
from storage.tables import AuditRow, SessionRow

LIMIT_S = 2.0
CLOCK = SystemClock()
CANARY = f"canary-{randomness.token_hex(12)}"
"""The password of the target, marked: it must cross the broker in no form that shows it."""
ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"
GATEWAYS = Gateways(host="bastion.example.org", ports={TargetProtocol.SSH: 2222})


class World:
    """A control node with one user, one secret, and whatever engines are made for it."""

    def __init__(self, folder: Path, vhost: VirtualHost, stack: AsyncExitStack) -> None:
        self.folder, self.vhost, self._stack = folder, vhost, stack
        settings = Settings(state_dir=folder / "control")
        Initialiser(settings, CLOCK).run()
        self.database = Database(settings.database_url)
        stack.callback(self.database.close)
        self._vault = vault = open_vault(self.database, master_key.locate(settings, None))
        self._add_secret()
        self.trust = ControlTrust(
            self.database, locate_control_key(settings.state_dir, None), CLOCK
        )
        self.control = RabbitControlBus(
            vhost.parameters(), self.trust.identity, (SITE,), LIMIT_S
        )
        grants = Grants(self.database, vault, CLOCK, default_on_loss=OnLoss.REQUIRE)
        log_in = LogIn(self.database, vault, CLOCK)
        check = UserCheck(log_in, self.database, vault, CLOCK)
        accounts = AccountRequests(self.database, vault, CLOCK, check, grants, GATEWAYS)
        requests = EngineRequests(
            self.database, grants, CLOCK, Heartbeats(CLOCK), accounts, None
        )
        self.control.answer(requests.answer)

    def _add_secret(self) -> None:
        secret = AddSecret(
            name="web1",
            protocol=TargetProtocol.SSH,
            host="web1.example.org",
            port=22,
            username="root",
            password=CANARY,
        )
        with self.database.transaction() as session:
            users.add(session, AddUser(name="ada", password=""), ARGON2, CLOCK.now())
            secrets.add(session, self._vault, secret, CLOCK.now())
            session.flush()
            access.grant(session, "ada", "web1", CLOCK.now())

    def issue(self) -> IssuedCredential:
        request = IssueCredential(secret="web1", user="ada", uses=1000)
        with self.database.transaction() as session:
            return credentials.issue(session, self._vault, GATEWAYS, request, CLOCK.now())

    async def enrolled(self, name: str) -> tuple[RabbitEngineBus, EngineTrust]:
        """An engine that an operator has approved, the way operators do."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "engine.id").write_text(name)
        keys = EnginePrivateKeys(folder, None)
        enroller = Enroller(folder, keys, CLOCK)
        begun, waiting = enroller.begin(SITE), asyncio.Event()
        stranger = Introduction(name, keys.signing, CLOCK)
        async with (
            asyncio.timeout(45),
            self.connected(name, stranger) as bus,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(enroller.finish(begun, bus, waiting.set))
            await waiting.wait()
            await asyncio.to_thread(self.approve, name, begun.code)
        await asyncio.to_thread(self.trust._known.refresh)
        trust = EngineTrust(name, keys, TrustFile(folder), CLOCK)
        bus = await self._stack.enter_async_context(self.connected(name, trust.identity))
        return bus, trust

    @asynccontextmanager
    async def connected(
        self, name: str, identity: Identity | Introduction
    ) -> AsyncIterator[RabbitEngineBus]:
        address = EngineAddress(site=SITE, engine_id=name)
        parameters = self.vhost.parameters()
        async with RabbitEngineBus(parameters, identity, address, LIMIT_S) as bus:
            await up(bus)
            yield bus

    def approve(self, name: str, code: str) -> None:
        with self.database.transaction() as session:
            engines.approve(session, name, code, Act("operator", CLOCK.now()))

    def revoke(self, name: str) -> None:
        with self.database.transaction() as session:
            engines.revoke(session, name, CLOCK.now())

    def sessions(self) -> list[SessionRow]:
        with self.database.read() as session:
            return list(session.scalars(select(SessionRow)))

    def denials(self) -> list[tuple[str, str]]:
        with self.database.read() as session:
            rows = session.scalars(select(AuditRow).where(AuditRow.action == "engine.denied"))
            return [(row.who, row.subject) for row in rows]


@pytest.fixture(scope="module")
def tapped(rabbitmq: RabbitMQ) -> Iterator[tuple[VirtualHost, Wiretap]]:
    vhost = new_vhost(rabbitmq)
    with wiretap(vhost) as tap:
        yield vhost, tap


@pytest.fixture
def tap(tapped: tuple[VirtualHost, Wiretap]) -> Wiretap:
    return tapped[1]


@pytest.fixture
async def world(
    tapped: tuple[VirtualHost, Wiretap], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setattr(enrolment, "ASK_INTERVAL_S", 0.1)
    async with AsyncExitStack() as stack:
        world = World(tmp_path, tapped[0], stack)
        await stack.enter_async_context(world.control)
        await up(world.control)
        yield world


def presented(issued: IssuedCredential, engine: str, opener: Opener) -> RedeemCredential:
    return RedeemCredential(
        engine_id=engine,
        site=SITE,
        protocol=TargetProtocol.SSH,
        username=issued.username,
        password_proof=proof(issued.username, issued.password),
        client_address="192.0.2.7",
        seal_to=opener.public,
    )


def name() -> str:
    """Tests share a virtual host, and queues outlive a test."""
    return f"engine-{randomness.token_hex(4)}"


async def test_a_target_password_crosses_the_broker_for_its_engine_alone(
    world: World, tap: Wiretap
):
    engine = name()
    bus, trust = await world.enrolled(engine)
    issued, opener = world.issue(), Opener()
    grant = await bus.request(presented(issued, engine, opener))
    assert isinstance(grant, Grant)
    assert grant.sealed_to_engine
    grant = EnginePrivateKeys(world.folder / engine, None).unseal(grant)
    opened = opener.open(grant.sealed_credential, credential_info(grant.session_id))
    assert msgspec.msgpack.decode(opened, type=TargetCredential).password == CANARY
    await trust.fetch(bus)
    tap.said(f"{engine}.replies")
    crossed = b"".join(m.body + repr(m.properties).encode() for m in tap.everything())
    assert str(grant.session_id).encode() in crossed, "the tap hears what the engine hears"
    for secret in (CANARY, issued.password):
        assert secret.encode() not in crossed


async def test_a_stolen_signing_key_opens_no_target(world: World):
    engine = name()
    _, trust = await world.enrolled(engine)
    address = EngineAddress(site=SITE, engine_id=engine)
    thief, opener = world.folder / "thief", Opener()
    thief.mkdir()
    async with RabbitEngineBus(
        world.vhost.parameters(), trust.identity, address, LIMIT_S
    ) as bus:
        await up(bus)
        grant = await bus.request(presented(world.issue(), engine, opener))
    assert isinstance(grant, Grant)
    with pytest.raises(SealError):
        opener.open(grant.sealed_credential, credential_info(grant.session_id))
    with pytest.raises(BadMessageError, match="seals credentials to another key"):
        EnginePrivateKeys(thief, None).unseal(grant)


async def test_a_request_that_is_said_again_is_not_answered_again(world: World, tap: Wiretap):
    engine = name()
    bus, _ = await world.enrolled(engine)
    await bus.request(presented(world.issue(), engine, Opener()))
    request = tap.said(f"{SITE}.{engine}")[-1]
    assert request.exchange == "proxyd.requests"
    answers = len(tap.said(f"{engine}.replies"))
    for _ in range(3):
        await asyncio.to_thread(tap.say_again, request)
    # Whatever was said before it is through when another request is answered.
    await bus.request(FetchTrustedKeys())
    assert len(tap.said(f"{engine}.replies")) == answers + 1
    assert len(world.sessions()) == 1


async def test_nobody_changes_a_request_on_its_way(world: World, tap: Wiretap):
    engine = name()
    bus, _ = await world.enrolled(engine)
    await bus.request(FetchTrustedKeys())
    request = tap.said(f"{SITE}.{engine}")[-1]
    answers = len(tap.said(f"{engine}.replies"))
    for where in (0, 10, 70, len(request.body) - 1):
        altered = bytearray(request.body)
        altered[where] ^= 1
        await asyncio.to_thread(tap.say_again, request, body=bytes(altered))
    await bus.request(FetchTrustedKeys())
    assert len(tap.said(f"{engine}.replies")) == answers + 1


async def test_an_engine_that_speaks_in_the_name_of_another_gets_nothing(world: World):
    victim, thief = name(), name()
    mine, _ = await world.enrolled(victim)
    theirs, _ = await world.enrolled(thief)
    issued = world.issue()
    with pytest.raises(BadMessageError, match=f"{thief} says it is '{victim}'"):
        await theirs.request(presented(issued, victim, Opener()))
    assert world.sessions() == []
    grant = await mine.request(presented(issued, victim, Opener()))
    assert isinstance(grant, Grant)
    with pytest.raises(BadMessageError, match=f"which is {victim}'s"):
        await theirs.request(SessionReady(session_id=grant.session_id))
    started = EngineStarted(engine_id=victim, site=SITE, spooled_sessions=())
    with pytest.raises(BadMessageError, match="says it is"):
        await theirs.request(started)
    assert [row.state for row in world.sessions()] == ["live"]
    kinds = ("redeem_credential", "session_ready", "engine_started")
    assert world.denials() == [(f"engine {thief}", kind) for kind in kinds]


async def test_an_engines_name_is_worth_nothing_without_its_key(world: World):
    engine = name()
    _, trust = await world.enrolled(engine)
    forger = Identity(engine, Ed25519PrivateKey.generate(), trust.keys, CLOCK)
    async with world.connected(engine, forger) as bus:
        with pytest.raises(BusUnavailableError, match="did not answer"):
            await bus.request(presented(world.issue(), engine, Opener()))
    assert world.sessions() == []


async def test_engines_that_are_not_approved_or_were_revoked_get_nothing(world: World):
    stranger, revoked = name(), name()
    bus, _ = await world.enrolled(revoked)
    issued = world.issue()
    world.revoke(revoked)
    with pytest.raises(BadMessageError, match="no active engine"):
        await bus.request(presented(issued, revoked, Opener()))
    key = Ed25519PrivateKey.generate()
    unknown = Identity(stranger, key, world.trust._known.keys, CLOCK)
    async with world.connected(stranger, unknown) as other:
        with pytest.raises(BusUnavailableError, match="did not answer"):
            await other.request(presented(issued, stranger, Opener()))
    introduced = Introduction(stranger, key, CLOCK)
    async with world.connected(stranger, introduced) as other:
        with pytest.raises(BadMessageError, match="no active engine"):
            await other.request(presented(issued, stranger, Opener()))
    assert world.sessions() == []


async def test_a_command_is_obeyed_once_and_only_from_control(world: World, tap: Wiretap):
    engine = name()
    bus, trust = await world.enrolled(engine)
    told: list[Command] = []

    async def obey(command: Command) -> CommandResult:
        told.append(command)
        return CommandResult(done=True)

    bus.obey(engine, obey)
    first, second = (TerminateSession(session_id=uuid4(), reason="enough") for _ in range(2))
    await world.control.command(engine, first)
    said = tap.wait_for(f"{engine}.commands")[0]
    forger = Identity("control", Ed25519PrivateKey.generate(), trust.keys, CLOCK)
    for body in (None, forger.sign(engine, b"\x01"), b"", b"terminate"):
        await asyncio.to_thread(tap.say_again, said, body=body)
    await world.control.command(engine, second)
    assert told == [first, second]


async def test_an_answer_is_for_its_own_question(world: World, tap: Wiretap):
    engine = name()
    bus, trust = await world.enrolled(engine)
    await bus.request(FetchTrustedKeys())
    answer = tap.said(f"{engine}.replies")[-1]
    question = trust.identity.sign("control", b"another")
    with pytest.raises(BadMessageError, match="answers another question"):
        trust.identity.open(answer.body, nonce_of(question))


async def test_an_engine_learns_the_key_that_is_to_follow(world: World):
    engine = name()
    bus, trust = await world.enrolled(engine)
    await trust.fetch(bus)
    world.trust.file.read_or_make_successor()
    await asyncio.to_thread(world.trust._follow)
    assert not await asyncio.to_thread(world.trust._follow), "the engine does not know it yet"
    await trust.fetch(bus)
    assert len(trust.believed.control) == 2
    assert await asyncio.to_thread(world.trust._follow)
    world.trust.identity.sign_with(world.trust._key.private)
    keys = await bus.request(FetchTrustedKeys())
    assert isinstance(keys, TrustedKeys)
    assert keys.control == trust.believed.control[1:]


async def test_an_engine_signs_with_its_next_key(world: World):
    engine = name()
    bus, trust = await world.enrolled(engine)
    trust._keys.signing_file.read_or_make_successor()
    await trust.rotate(bus)
    await asyncio.to_thread(world.trust._known.refresh)
    grant = await bus.request(presented(world.issue(), engine, Opener()))
    assert isinstance(grant, Grant)
    keys = world.trust._known.keys(engine)
    assert keys is not None
    assert len(keys) == 2
