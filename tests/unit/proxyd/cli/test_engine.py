"""`proxyd engine`, on an engine and on its control node, which share a machine here."""

import json
import threading
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner

from bus.memory import MemoryBus
from bus.signed import introduction
from config.model import OnLoss, Settings
from control import engines
from control.audit import Act
from control.grants import Grants
from control.heartbeats import Heartbeats
from control.rpc import EngineRequests
from control.trust import ControlKey, locate_control_key
from proxyd import enrolment
from proxyd.cli import main
from proxyd.cli.invocation import Invocation
from proxyd.engine_trust import EnginePrivateKeys
from recorder.clock import SystemClock
from storage.database import Database

CLOCK = SystemClock()


@pytest.fixture
def database(state):
    database = Database(Settings(state_dir=state).database_url)
    ControlKey(database, locate_control_key(state, None), CLOCK)
    yield database
    database.close()


@pytest.fixture
def engine(tmp_path, database):
    """Runs a command on an engine whose bus ends at the control node's database."""
    folder = tmp_path / "engine"
    folder.mkdir()
    config = folder / "proxyd.toml"
    url = "amqp://engine@broker.example.org/"
    config.write_text(f'state_dir = "{folder}"\nsite = "dmz"\n[bus]\nurl = "{url}"\n')

    @asynccontextmanager
    async def open_requests(settings, _introduction):
        asker = introduction(EnginePrivateKeys(settings.state_dir, None).signing_public)
        grants = Grants(database, None, CLOCK, default_on_loss=OnLoss.REQUIRE)
        async with MemoryBus(5, asker) as bus:
            bus.answer(
                EngineRequests(database, grants, CLOCK, Heartbeats(CLOCK), None, None).answer
            )
            yield bus

    def run(*arguments):
        invocation = Invocation(open_requests=open_requests)
        words = ["--config", str(config), "--output", "json", "engine", *arguments]
        return CliRunner().invoke(main, words, obj=invocation)

    return run


@pytest.fixture
def approve_soon(database, monkeypatch):
    """An operator who sees the code as it is made and goes to the control node with it."""
    made = threading.Event()
    codes = []
    new_code = enrolment.enrolment.new_code

    def seen():
        codes.append(new_code())
        made.set()
        return codes[-1]

    monkeypatch.setattr(enrolment.enrolment, "new_code", seen)
    monkeypatch.setattr(enrolment, "ASK_INTERVAL_S", 0.05)

    def approve():
        assert made.wait(10)
        pending = []
        while not pending:
            with database.read() as session:
                pending = [
                    e for e in engines.list_all(session, CLOCK.now()) if e.state == "pending"
                ]
        with database.transaction() as session:
            engines.approve(session, pending[0].id, codes[0], Act("ana", CLOCK.now()))

    thread = threading.Thread(target=approve)
    thread.start()
    yield codes
    thread.join(10)


def test_an_engine_is_enrolled_listed_rotates_its_key_and_is_revoked(
    engine, proxyd, answer, approve_soon, tmp_path
):
    folder = tmp_path / "engine"
    enrolled = engine("enrol", "--site", "dmz")
    assert enrolled.exit_code == 0, enrolled.stderr
    shown = json.loads(enrolled.stdout)
    assert shown["code"] == approve_soon[0]
    assert "control's key is SHA256:" in enrolled.stderr
    [listed] = answer("engine", "list")
    assert (listed["id"], listed["site"], listed["state"]) == (shown["id"], "dmz", "active")
    assert listed["fingerprint"] == shown["fingerprint"]

    assert engine("rotate-key").exit_code == 0
    assert (folder / "engine-signing-key.new").exists(), "for the running engine to take up"

    assert proxyd("engine", "revoke", shown["id"]).exit_code == 0
    assert "revoked" in proxyd("engine", "list").stdout


def test_an_engine_of_another_site_is_not_enrolled(engine):
    refused = engine("enrol", "--site", "lan")
    assert refused.exit_code == 78
    assert "settings say site 'dmz'" in refused.stderr


def test_a_code_that_does_not_fit_is_denied(proxyd, database):
    refused = proxyd("engine", "approve", "engine-9", typed="abcde\n")
    assert refused.exit_code == 3
    assert proxyd("engine", "approve", "engine-9").exit_code == 1, "no code was given"


def test_a_node_of_all_roles_has_nothing_to_enrol(proxyd, state):
    enrolled = proxyd("engine", "enrol", "--site", "default")
    assert enrolled.exit_code == 0
    assert "enrols its own engine" in enrolled.stderr
    assert not (state / "enrolment.json").exists()


def test_its_next_signing_key_is_made_once_and_waits_for_a_start(proxyd, state):
    result = proxyd("engine", "rotate-key")
    assert result.exit_code == 0
    assert "from the next start on" in result.stderr
    made = (state / "engine-signing-key.new").read_bytes()
    assert (state / "engine-signing-key.new").stat().st_mode & 0o777 == 0o600
    assert proxyd("engine", "rotate-key").exit_code == 0
    assert (state / "engine-signing-key.new").read_bytes() == made


def test_its_engine_is_made_another_one(proxyd, state):
    assert proxyd("engine", "rotate-key").exit_code == 0
    assert proxyd("engine", "enrol", "--site", "default", "--afresh").exit_code == 0
    assert list(state.glob("engine*")) == []


def test_control_announces_a_new_key(proxyd, database):
    rotated = proxyd("rotate-control-key")
    assert rotated.exit_code == 0
    assert "takes over at once" in rotated.stderr


def test_the_key_of_receipts_can_be_rotated_while_nothing_runs(proxyd):
    rotated = proxyd("rotate-storage-key")
    assert rotated.exit_code == 0
    assert "takes over at once" in rotated.stderr
