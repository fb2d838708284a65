"""A node that was set up and does not run: the command line opens its database itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxyd.cli import main

SETTINGS = """\
state_dir = "{state}"
public_host = "bastion.example.org"
[ssh]
listen = ["127.0.0.1:2222"]
"""

Proxyd = Callable[..., Result]


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
