"""The systemd unit: as closed as it was, and patient enough for a drain."""

import re
import subprocess
from pathlib import Path

import pytest
from peers.needed import program

from config.model import Settings

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
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
