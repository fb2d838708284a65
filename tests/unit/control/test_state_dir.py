import stat
from pathlib import Path

import asyncssh
import pytest
from sqlalchemy import select

from config.errors import ConfigError
from config.model import ControlSettings, DatabaseSettings, Settings
from control import users
from control.errors import InvalidError
from control.gateway_keys import host_key_paths
from control.master_key import locate
from control.state_dir import Initialiser
from control.state_lock import StateDirHeldError, hold
from recorder.clock import ManualClock
from storage.database import Database
from storage.tables import AuditRow, UserRow

SENTENCE = "a sentence of its own"


def initialise(settings, *admin):
    return Initialiser(settings, ManualClock()).run(*admin)


def test_everything_is_made_once_and_told(tmp_path):
    settings = Settings(state_dir=tmp_path / "a" / "state")
    told = "\n".join(initialise(settings, "ada", SENTENCE))
    for made in ("state directory", "ed25519_key", "rsa_key", "master.key", "vault", "ada"):
        assert made in told
    assert initialise(settings, "ada", SENTENCE) == []


def test_nobody_else_may_read_any_of_it(settings):
    assert stat.S_IMODE(settings.state_dir.stat().st_mode) == 0o700
    for name in ("master.key", "ssh_host_ed25519_key", "ssh_host_rsa_key"):
        assert stat.S_IMODE((settings.state_dir / name).stat().st_mode) == 0o600


def test_the_host_keys_are_what_the_gateway_reads(settings):
    kinds = [
        asyncssh.read_private_key(path).get_algorithm()
        for path in host_key_paths(settings.state_dir)
    ]
    assert kinds == ["ssh-ed25519", "ssh-rsa"]
    public = settings.state_dir / "ssh_host_ed25519_key.pub"
    assert public.read_text().startswith("ssh-ed25519 AAAA")


def test_an_administrator_is_added_with_a_trace(settings, database):
    database.close()
    initialise(settings, "ada", SENTENCE)
    with database.read() as session:
        user = session.scalar(select(UserRow))
        assert (user.name, user.role) == ("ada", "admin")
        assert users.verifies(user.password_hash, SENTENCE)
        assert session.scalar(select(AuditRow)).action == "user.added"


def test_a_weak_password_leaves_nothing_behind(tmp_path):
    settings = Settings(state_dir=tmp_path / "state")
    with pytest.raises(InvalidError):
        initialise(settings, "ada", "short")
    assert not settings.state_dir.exists()


def test_a_directory_that_others_may_enter_is_closed(settings, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (settings.state_dir, empty):
        folder.chmod(0o755)
        told = initialise(Settings(state_dir=folder))
        assert f"closed {folder} to others (it had mode 0755)" in told
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_directory_of_other_things_is_left_alone(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "mail").touch()
    with pytest.raises(ConfigError, match="holds files that are not proxyd's"):
        initialise(Settings(state_dir=tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/state cannot be made: Not a directory"):
        initialise(Settings(state_dir=tmp_path / "file" / "state"))


def test_a_lost_master_key_is_not_made_anew_over_a_vault(settings):
    (settings.state_dir / "master.key").unlink()
    with pytest.raises(
        ConfigError, match=r"holds 0 secrets under master key \w{8}, and .* resto"
    ):
        initialise(settings)
    assert not (settings.state_dir / "master.key").exists()


def test_a_half_made_directory_is_finished(settings):
    (settings.state_dir / "proxyd.db").unlink()
    for leftover in settings.state_dir.glob("proxyd.db-*"):
        leftover.unlink()
    (settings.state_dir / "ssh_host_rsa_key").unlink()
    key = (settings.state_dir / "master.key").read_bytes()
    assert len(initialise(settings)) == 4
    assert (settings.state_dir / "master.key").read_bytes() == key


def test_a_running_node_keeps_others_out(settings):
    with hold(settings.state_dir), pytest.raises(StateDirHeldError, match="wait for it to end"):
        initialise(settings)
    assert initialise(settings) == []


def test_a_database_of_an_unknown_kind_is_a_matter_of_settings(settings):
    strange = Settings(
        state_dir=settings.state_dir, database=DatabaseSettings(url="mysql://localhost/x")
    )
    with pytest.raises(ConfigError, match="is no database of this version: write sqlite:"):
        initialise(strange)


def test_the_master_key_may_be_anywhere(tmp_path):
    elsewhere = tmp_path / "elsewhere.key"
    settings = Settings(
        state_dir=tmp_path / "state", control=ControlSettings(master_key_file=elsewhere)
    )
    initialise(settings)
    assert elsewhere.stat().st_size == 32
    assert locate(settings, tmp_path).path == elsewhere


def test_the_key_that_systemd_hands_over_comes_first(tmp_path):
    credentials: Path = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "master-key").write_bytes(b"k" * 32)
    settings = Settings(state_dir=tmp_path / "state")
    told = Initialiser(settings, ManualClock(), credentials_dir=credentials).run()
    assert not (settings.state_dir / "master.key").exists()
    assert not any("made the master key" in line for line in told)
    Database(settings.database_url).close()
