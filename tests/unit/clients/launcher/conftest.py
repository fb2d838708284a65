"""A user's machine, in a folder."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from peers.needed import SEARCHED

from clients.launcher.surroundings import Surroundings


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: those of sockets have a limit."""
    folder = tempfile.mkdtemp(prefix="pl-")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture
def make_surroundings(short: Path) -> Callable[..., Surroundings]:
    def make(**env: str) -> Surroundings:
        places = {"PATH": SEARCHED, "HOME": str(short)}
        return Surroundings(
            config=short / "config",
            data=short / "data",
            runtime=short,
            env=places | env,
            itself=(sys.executable, "-P", "-m", "clients.launcher"),
        )

    return make
