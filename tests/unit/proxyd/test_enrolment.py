"""An engine becomes one: against a real control, over the in-process bus."""

import asyncio
import stat

import msgspec
import pytest
from samples.databases import new_sqlite

from bus.contract import EngineEnrolled, EnrolmentPending, EnrolmentRefused
from bus.enrolment import control_proof, fingerprint
from bus.errors import BadMessageError, BusUnavailableError
from bus.identity import Introduction
from bus.memory import MemoryBus
from bus.signed import introduction
from config.errors import ConfigError
from config.model import OnLoss
from control import engines
from control.audit import Act
from control.errors import ConflictError, DeniedError
from control.grants import Grants
from control.heartbeats import Heartbeats
from control.rpc import EngineRequests
from control.trust import ControlKey, locate_control_key, public
from proxyd import enrolment
from proxyd.engine_trust import EnginePrivateKeys, TrustFile
from proxyd.enrolment import Enroller, forget
from recorder.clock import ManualClock


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(enrolment, "ASK_INTERVAL_S", 0.01)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def engine_dir(tmp_path):
    (tmp_path / "engine").mkdir()
    return tmp_path / "engine"


@pytest.fixture
def keys(engine_dir):
    return EnginePrivateKeys(engine_dir, None)


@pytest.fixture
def enroller(engine_dir, keys, clock):
    return Enroller(engine_dir, keys, clock)


@pytest.fixture
def database(tmp_path):
    database = new_sqlite(tmp_path / "proxyd.db")
    yield database
    database.close()


@pytest.fixture
def control_key(database, tmp_path, clock):
    return ControlKey(database, locate_control_key(tmp_path, None), clock)


@pytest.fixture
async def bus(database, keys, clock, control_key):
    grants = Grants(database, None, clock, default_on_loss=OnLoss.REQUIRE)
    async with MemoryBus(5, introduction(keys.signing_public)) as bus:
        bus.answer(
            EngineRequests(database, grants, clock, Heartbeats(clock), None, None).answer
        )
        yield bus


def approve(database, clock, engine_id, code):
    with database.transaction() as session:
        engines.approve(session, engine_id, code, Act("operator", clock.now()))


async def test_an_engine_shows_a_code_and_waits_for_it_at_control(
    enroller, bus, database, clock, engine_dir, control_key
):
    begun = enroller.begin("dmz")
    is_waiting = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(enroller.finish(begun, bus, is_waiting.set))
        await is_waiting.wait()
        await asyncio.to_thread(approve, database, clock, enroller.engine_id, begun.code)
    assert asking.result() == fingerprint(public(control_key.private))
    assert TrustFile(engine_dir).read().control == (public(control_key.private),)
    assert not (engine_dir / "enrolment.json").exists(), "the code is good for nothing now"
    with pytest.raises(ConflictError, match="enrolled already"):
        enroller.begin("dmz")


def test_an_interrupted_enrolment_goes_on_with_its_code(enroller, clock, engine_dir):
    begun = enroller.begin("dmz")
    assert stat.S_IMODE((engine_dir / "enrolment.json").stat().st_mode) == 0o600
    assert enroller.begin("dmz") == begun
    assert enroller.begin("lan") != begun
    clock.advance(3600)
    assert enroller.begin("lan").code != enroller.begin("dmz").code


def test_a_code_is_not_shown_by_accident(enroller):
    begun = enroller.begin("dmz")
    assert begun.code not in f"{begun!r} {begun}"


def test_a_half_written_enrolment_begins_again(enroller, engine_dir):
    (engine_dir / "enrolment.json").write_text("{")
    assert enroller.begin("dmz")


class Answering:
    """Says the same to every request, as whoever sits at the broker could."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)

    async def request(self, message):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(message) if callable(answer) else answer


def not_waiting():
    raise AssertionError


async def test_somebody_at_the_broker_cannot_pass_for_control(enroller, engine_dir):
    begun = enroller.begin("dmz")
    theirs = b"m" * 32
    for proof in (bytes(32), b""):
        enrolled = EngineEnrolled(control_key=theirs, code_proof=proof)
        with pytest.raises(BadMessageError, match="nothing was believed"):
            await enroller.finish(begun, Answering(enrolled), not_waiting)
    assert not (engine_dir / "trusted-keys.json").exists()


async def test_nor_put_a_key_of_his_own_into_controls_answer(enroller, engine_dir):
    begun = enroller.begin("dmz")

    def altered(message):
        proof = control_proof(begun.code, message, b"c" * 32)
        return EngineEnrolled(control_key=b"m" * 32, code_proof=proof)

    with pytest.raises(BadMessageError):
        await enroller.finish(begun, Answering(altered), not_waiting)
    assert not (engine_dir / "trusted-keys.json").exists()


async def test_a_refusal_says_why(enroller):
    refused = EnrolmentRefused(reason="this engine was revoked")
    with pytest.raises(DeniedError, match="this engine was revoked"):
        await enroller.finish(enroller.begin("dmz"), Answering(refused), not_waiting)


async def test_an_engine_asks_until_its_code_expires(enroller, clock):
    begun = enroller.begin("dmz")

    def last(_message):
        clock.advance(3600)
        return EnrolmentPending()

    waiting = []
    control = Answering(BusUnavailableError("late"), EnrolmentPending(), last)
    with pytest.raises(ConflictError, match="nobody approved in time"):
        await enroller.finish(begun, control, lambda: waiting.append(1))
    assert waiting == [1]


def test_starting_afresh_makes_another_engine(enroller, engine_dir, keys, clock):
    enroller.begin("dmz")
    forget(engine_dir)
    other = Enroller(engine_dir, EnginePrivateKeys(engine_dir, None), clock)
    assert other.engine_id != enroller.engine_id
    assert other.fingerprint != enroller.fingerprint


def test_an_introduction_says_where_to_deliver(keys, clock):
    assert Introduction("engine-1", keys.signing, clock).name == "engine-1"


def test_a_request_proves_all_of_itself(enroller):
    request = enroller._request(enroller.begin("dmz"))
    assert len(request.code_proof) == 32
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=type(request))


def test_an_unreadable_enrolment_is_a_matter_of_the_user(enroller, engine_dir):
    (engine_dir / "enrolment.json").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        enroller.begin("dmz")
