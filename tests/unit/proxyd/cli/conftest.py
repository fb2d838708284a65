"""A node that was set up and does not run: the command line opens its database itself."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.model import Settings
from control.state_dir import Initialiser
from proxyd.cli import main
from recorder.clock import SystemClock

SETTINGS = """\
state_dir = "{state}"
public_host = "bastion.example.org"
[ssh]
listen = ["127.0.0.1:2222"]
"""

Proxyd = Callable[..., Result]


@pytest.fixture(scope="session")
def state_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making host keys takes its time, so every test gets a copy."""
    state = tmp_path_factory.mktemp("node") / "state"
    Initialiser(Settings(state_dir=state), SystemClock()).run()
    return state


@pytest.fixture
def state(state_made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(state_made_once, tmp_path / "state"))


@pytest.fixture
def config_path(state: Path, tmp_path: Path) -> Path:
    path = tmp_path / "proxyd.toml"
    path.write_text(SETTINGS.format(state=state))
    return path


@pytest.fixture
def proxyd(config_path: Path) -> Proxyd:
    def run(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, ["--config", str(config_path), *arguments], input=typed)

    return run


@pytest.fixture
def answer(proxyd: Proxyd) -> Callable[..., Any]:
    """What a command says with `--output json`."""

    def ask(*arguments: str, typed: str = "") -> Any:
        result = proxyd("--output", "json", *arguments, typed=typed)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return ask


@pytest.fixture
def key_pair() -> tuple[str, str]:
    """A private key and its public half, as ssh-keygen writes them."""
    import asyncssh  # noqa: PLC0415 - few tests want one

    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_private_key().decode(), key.export_public_key().decode().strip()
