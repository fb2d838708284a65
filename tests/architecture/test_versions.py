"""What is installed is what was tried."""

import re
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text(encoding="utf-8")))


RUN_TIME, DEV = pins("requirements.lock"), pins("requirements-dev.lock")


def wanted(section: str, key: str) -> list[str]:
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    return metadata[section][key].split("\n")


def test_asyncssh_is_pinned_because_private_names_are_used() -> None:
    assert f"asyncssh == {RUN_TIME['asyncssh']}" in wanted("options", "install_requires")


def test_tests_run_on_what_operators_run() -> None:
    assert RUN_TIME.items() <= DEV.items()


@pytest.mark.parametrize(
    ("section", "key", "locked"),
    [("options", "install_requires", RUN_TIME), ("options.extras_require", "dev", DEV)],
)
def test_everything_that_is_asked_for_is_locked(section, key, locked) -> None:
    names = [re.match(r"[\w-]+", line) for line in wanted(section, key)]
    assert {name[0] for name in names if name} <= locked.keys()


@pytest.mark.parametrize("name", RUN_TIME)
def test_the_environment_holds_the_locked_version(name: str) -> None:
    assert version(name) == RUN_TIME[name]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_names_no_registry(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")
