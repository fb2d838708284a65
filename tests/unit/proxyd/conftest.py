"""A node that was set up today."""

import shutil
from pathlib import Path

import pytest

from config.model import Settings
from control.gateway_keys import host_key_paths
from control.state_dir import Initialiser
from recorder.clock import SystemClock


@pytest.fixture(scope="session")
def state_made_once(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making it takes its time, so every test gets a copy; no key of a host has a date."""
    state = tmp_path_factory.mktemp("node") / "state"
    state.mkdir(mode=0o700)
    for path in host_key_paths(initialised):
        shutil.copy2(path, state)
        shutil.copy2(path.with_name(path.name + ".pub"), state)
    Initialiser(Settings(state_dir=state), SystemClock()).run()
    return state


@pytest.fixture
def state(state_made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(state_made_once, tmp_path / "state"))
