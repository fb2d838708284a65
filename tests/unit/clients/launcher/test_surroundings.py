import sys
from pathlib import Path

import pytest

from clients.errors import MissingError
from clients.launcher.surroundings import Surroundings


def test_folders_are_where_the_user_has_them(monkeypatch, tmp_path):
    for name in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = Surroundings.found()
    assert found.config == tmp_path / "CONFIG/proxyd-launcher"
    assert found.data == tmp_path / "DATA"
    assert found.runtime == tmp_path


def test_what_is_not_said_or_makes_no_sense_is_where_it_is_by_custom(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    found = Surroundings.found()
    assert found.config == tmp_path / ".config/proxyd-launcher"
    assert found.data == tmp_path / ".local/share"
    assert found.runtime == tmp_path


def test_it_calls_itself_by_the_python_that_runs_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["proxyd-launcher.pyz", "x"])
    words = Surroundings.found().itself
    assert words == (sys.executable, "-P", str(Path("proxyd-launcher.pyz").resolve()))


def test_a_program_that_is_missing_is_named(make_surroundings):
    around = make_surroundings(PATH="/nowhere")
    assert around.find("ssh") is None
    with pytest.raises(MissingError, match="no ssh on this machine to open a terminal with"):
        around.program("ssh", "to open a terminal with")


def test_there_are_windows_where_a_display_is_named(make_surroundings):
    assert not make_surroundings().has_windows
    assert make_surroundings(DISPLAY=":0").has_windows
    assert make_surroundings(WAYLAND_DISPLAY="wayland-0").has_windows
