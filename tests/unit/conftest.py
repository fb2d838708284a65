"""A state directory as `proxyd init` leaves it."""

from pathlib import Path

import pytest

from config.model import Settings
from control.state_dir import Initialiser
from recorder.clock import ManualClock


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory to copy: making host keys takes a while."""
    folder = tmp_path_factory.mktemp("initialised") / "state"
    Initialiser(Settings(state_dir=folder), ManualClock()).run()
    return folder
