"""Whom an engine believes, from its disk and from control."""

import asyncio
import stat

import pytest

from bus import enrolment
from bus.contract import Done, FetchTrustedKeys, TrustedKeys
from bus.errors import BadMessageError, BusUnavailableError
from bus.signed import Verifier
from config.errors import ConfigError
from proxyd import engine_trust
from proxyd.engine_trust import EnginePrivateKeys, EngineTrust, TrustFile, engine_id
from recorder.clock import ManualClock

FIRST = TrustedKeys(control=(b"c" * 32,), storage=(b"s" * 32,), recording=(b"r" * 32,))
NEXT = TrustedKeys(control=(b"c" * 32, b"d" * 32), storage=())


class Control:
    """Answers what it is told to."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = []

    async def request(self, message):
        self.asked.append(message)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def file(tmp_path):
    file = TrustFile(tmp_path)
    file.write(FIRST)
    return file


@pytest.fixture
def trust(tmp_path, file):
    return EngineTrust("engine-1", EnginePrivateKeys(tmp_path, None), file, ManualClock())


def test_an_engine_keeps_its_id(tmp_path):
    first = engine_id(tmp_path)
    assert first.startswith("engine-")
    assert engine_id(tmp_path) == first
    (tmp_path / "other").mkdir()
    assert engine_id(tmp_path / "other") != first


def test_an_id_that_cannot_be_kept_is_a_matter_of_settings(tmp_path):
    with pytest.raises(ConfigError, match=r"engine\.id cannot be kept"):
        engine_id(tmp_path / "nowhere")


def test_an_engine_keeps_its_keys_to_itself(tmp_path):
    first, second = EnginePrivateKeys(tmp_path, None), EnginePrivateKeys(tmp_path, None)
    assert first.signing_public == second.signing_public
    assert first.sealing_public == second.sealing_public != first.signing_public
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*-key")}
    assert modes == {0o600}


def test_what_is_believed_survives_a_restart(file):
    assert file.read() == FIRST


def test_an_engine_that_was_never_enrolled_says_how(tmp_path):
    with pytest.raises(ConfigError, match="run `proxyd engine enrol --site NAME` here"):
        TrustFile(tmp_path).read()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"control": ["zz"], "storage": [], "recording": []}',
     b'{"control": ["00"], "storage": [], "recording": []}'],
)  # fmt: skip
def test_a_broken_file_is_not_believed(tmp_path, content):
    (tmp_path / "trusted-keys.json").write_bytes(content)
    with pytest.raises(ConfigError, match="holds no keys"):
        TrustFile(tmp_path).read()


def test_an_engine_knows_control_and_storage_and_nobody_else(trust):
    assert trust.keys("control") == FIRST.control
    assert trust.keys("storage") == FIRST.storage
    assert trust.keys("engine-2") is None


async def test_what_control_announces_is_believed_and_kept(trust, file):
    control = Control(NEXT)
    await trust.fetch(control)
    assert control.asked == [FetchTrustedKeys()]
    assert trust.keys("control") == NEXT.control
    assert file.read() == NEXT


@pytest.mark.parametrize("answer", [Done(), TrustedKeys(control=(), storage=()), FIRST])
async def test_nothing_takes_all_trust_away(trust, file, answer):
    await trust.fetch(Control(answer))
    assert trust.believed == file.read() == FIRST


async def test_an_engine_goes_on_asking(trust, monkeypatch):
    monkeypatch.setattr(engine_trust, "FETCH_INTERVAL_S", 0)
    monkeypatch.setattr(engine_trust, "_FETCH_AGAIN_S", 0)
    control = Control(BusUnavailableError("late"), FIRST, NEXT)
    with pytest.raises(IndexError):
        async with asyncio.timeout(5):
            await trust.follow(control)
    assert trust.believed == NEXT


async def test_without_a_next_key_nothing_is_rotated(trust):
    control = Control()
    await trust.rotate(control)
    assert control.asked == []


async def test_a_new_key_is_known_to_control_before_it_signs(trust, tmp_path):
    old = EnginePrivateKeys(tmp_path, None)
    new = old.signing_file.read_or_make_successor()
    for no in (BusUnavailableError("late"), FIRST):
        with pytest.raises((BusUnavailableError, BadMessageError)):
            await trust.rotate(Control(no))
        assert EnginePrivateKeys(tmp_path, None).signing_public == old.signing_public
        assert signs_with(trust, old.signing)
    control = Control(Done())
    await trust.rotate(control)
    public = new.public_key().public_bytes_raw()
    assert EnginePrivateKeys(tmp_path, None).signing_public == public
    assert signs_with(trust, new)
    [asked] = control.asked
    assert asked.signing_key == public
    new.public_key().verify(asked.possession, enrolment.possession("engine-1", public))


def signs_with(trust, key):
    verifier = Verifier("control", lambda _: (key.public_key().public_bytes_raw(),))
    return verifier.open(trust.identity.sign("control", b""), ManualClock().now())
