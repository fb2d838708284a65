"""The systemd units: as closed as they were, and patient enough for a drain.

They are tried on a machine that boots in tests/e2e/test_installed.py.
"""

import re
import subprocess
from pathlib import Path

import pytest
from peers.needed import program

from bus import amqp
from config.model import Settings
from control import identity_provider, master_key, open_database, trust
from proxyd import engine_trust
from storage import sited_blobs

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
STORAGE_CREDENTIALS = (
    master_key.CREDENTIAL_NAME,
    open_database.PASSWORD,
    sited_blobs.CREDENTIALS,
)
CONTROL_CREDENTIALS = (
    amqp.PASSWORD,
    trust.CONTROL_KEY_NAME,
    identity_provider.CLIENT_SECRET,
)
ENGINE_KEYS = (engine_trust.SIGNING_KEY_NAME, engine_trust.SEALING_KEY_NAME)
MAX_EXPOSURE = 1.5


def name_of(path: Path) -> str:
    return path.name


def setting(unit: Path, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{unit.name} has no {name}"
    return found[1]


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_the_unit_waits_for_sessions_to_be_sealed_and_stored(unit: Path) -> None:
    defaults = Settings()
    drained_s = defaults.drain_timeout_s + defaults.ship_timeout_s
    assert float(setting(unit, "TimeoutStopSec")) > drained_s


def test_there_is_a_unit_for_each_role() -> None:
    roles = {"", "engine", "worker", "control"}
    started = {setting(unit, "ExecStart").rpartition(" run")[2].strip() for unit in UNITS}
    assert started == roles


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_every_unit_is_closed_in_the_same_way(unit: Path) -> None:
    def sandbox(of: Path) -> str:
        return of.read_text(encoding="utf-8").partition("# A core dump")[2]

    assert sandbox(unit) == sandbox(UNITS[0])


CREDENTIALS = {
    "": {*STORAGE_CREDENTIALS, *CONTROL_CREDENTIALS, *ENGINE_KEYS},
    "engine": {amqp.PASSWORD, *ENGINE_KEYS},
    "worker": {*STORAGE_CREDENTIALS, amqp.PASSWORD},
    "control": {*STORAGE_CREDENTIALS, *CONTROL_CREDENTIALS},
}


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_a_role_is_given_its_credentials_and_no_others(unit: Path) -> None:
    role = setting(unit, "ExecStart").rpartition(" run")[2].strip()
    text = unit.read_text(encoding="utf-8")
    loaded = re.findall(r"^LoadCredentialEncrypted=(\S+):proxyd\.\1$", text, re.MULTILINE)
    assert set(loaded) == CREDENTIALS[role]


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_no_core_dump_holds_a_credential(unit: Path) -> None:
    assert setting(unit, "LimitCORE") == "0"


@pytest.mark.peers
@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_the_unit_is_hardly_exposed(unit: Path) -> None:
    shown = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        check=True,
        text=True,
    )
    exposure = re.search(r"exposure level for .*: ([0-9.]+)", shown.stdout)
    assert exposure, shown.stdout + shown.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE
