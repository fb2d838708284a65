import os
import socket
import time

import pytest

from bus.contract import TrustedKeys
from config.errors import ConfigError
from config.model import MetricsSettings, RDPSettings, Settings, SSHSettings
from proxyd import doctor
from proxyd.doctor import Finding
from proxyd.engine_trust import EnginePrivateKeys, TrustFile


@pytest.fixture
def settings(state):
    """A node that was set up; each test makes it ill in one way."""
    return Settings(
        state_dir=state,
        ssh=SSHSettings(listen=("127.0.0.1:0",)),
        rdp=RDPSettings(listen=("127.0.0.1:0",)),
        metrics=MetricsSettings(listen="127.0.0.1:0"),
    )


def ill(settings: Settings) -> dict[str, str]:
    findings = list(doctor.examine(lambda: settings))
    expected = {what for what, check in doctor.CHECKS.items() if "all" in check.roles}
    assert {finding.what for finding in findings} == {"settings", *expected}
    return {finding.what: finding.detail for finding in findings if not finding.ok}


def test_a_healthy_node_has_nothing(settings):
    assert ill(settings) == {}


def test_settings_that_cannot_be_used_are_the_only_finding():
    def read() -> Settings:
        raise ConfigError("unknown key `colour`")

    [finding] = doctor.examine(read)
    assert (finding.ok, finding.detail) == (False, "unknown key `colour`")


def test_an_open_state_directory_is_found(settings):
    settings.state_dir.chmod(0o755)
    assert "chmod 700" in ill(settings)["state directory"]


def test_a_node_that_was_never_set_up_is_found(tmp_path):
    found = ill(Settings(state_dir=tmp_path / "nowhere"))
    assert "run `proxyd init`" in found["state directory"]
    assert "run `proxyd init`" in found["database"]


def test_a_host_key_that_others_can_read_is_found(settings):
    (settings.state_dir / "ssh_host_rsa_key").chmod(0o644)
    assert "chmod 600" in ill(settings)["host keys"]


def test_a_missing_host_key_is_found(settings):
    (settings.state_dir / "ssh_host_ed25519_key").unlink()
    assert "ssh_host_ed25519_key is missing" in ill(settings)["host keys"]


def test_a_damaged_database_is_found(settings):
    path = settings.state_dir / "proxyd.db"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8192))
    assert "restore it from a backup" in ill(settings)["database"]


def test_a_port_in_use_is_named(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        busy = Settings(state_dir=settings.state_dir, ssh=SSHSettings(listen=(address,)))
        assert f"ssh.listen: {address} cannot be had" in ill(busy)["ports"]


def test_a_clock_that_went_back_is_found(settings):
    tomorrow = time.time() + 86400  # noqa: TID251 - the files' own clock
    os.utime(settings.state_dir / "proxyd.db", (tomorrow, tomorrow))
    assert "behind files that proxyd wrote" in ill(settings)["clock"]


def test_too_few_open_files_are_found(settings, monkeypatch):
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (256, 256))
    assert "only 256 files" in ill(settings)["limits"]


def test_a_full_disk_is_found(settings, monkeypatch):
    usage = doctor.shutil.disk_usage(settings.state_dir)._replace(used=99, free=1)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert "99 % full" in ill(settings)["spool"]


@pytest.mark.parametrize(("used", "said"), [(85, "free space in time"), (91, "free space now")])
def test_a_disk_that_fills_up_is_told_of_before(settings, monkeypatch, used, said):
    usage = doctor.shutil.disk_usage(settings.state_dir)._replace(used=used, free=100 - used)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    [found] = [one for one in doctor.examine(lambda: settings) if one.what == "spool"]
    assert (found.ok, found.warning) == (True, True)
    assert said in found.detail


def test_damaged_files_and_a_spent_reserve_are_told_of(settings):
    spool = settings.state_dir / "spool"
    (spool / "quarantine").mkdir(parents=True)
    assert "no reserve" in ill(settings)["spool"]
    (spool / "reserve").touch()
    (spool / "quarantine" / "0.chunk").touch()
    [found] = [one for one in doctor.examine(lambda: settings) if one.what == "spool"]
    assert found.warning
    assert "1 damaged files" in found.detail


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        ("engine", {"database", "master key", "syslog"}),
        ("worker", {"spool", "host keys", "ports"}),
        ("control", {"spool", "host keys", "ports"}),
    ],
)
def test_a_role_is_asked_for_what_it_needs(settings, role, missing):
    seen = {finding.what for finding in doctor.examine(lambda: settings, role)}
    assert not seen & missing
    assert {"settings", "clock", "certificates", "readiness", "metrics port"} <= seen


def test_an_engine_that_was_not_enrolled_or_whose_keys_are_open_is_found(settings):
    def found() -> Finding:
        findings = doctor.examine(lambda: settings, "engine")
        return next(one for one in findings if one.what == "engine keys")

    assert "run `proxyd engine enrol" in found().detail
    TrustFile(settings.state_dir).write(TrustedKeys(control=(bytes(32),), storage=()))
    (settings.state_dir / "engine-sealing-key").unlink(missing_ok=True)
    assert found().warning
    EnginePrivateKeys(settings.state_dir, None)
    assert (found().ok, found().warning) == (True, False)
    (settings.state_dir / "engine-sealing-key").chmod(0o644)
    assert "chmod 600" in found().detail


def test_another_asyncssh_is_found(settings, monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda _: ["asyncssh==1.0"])
    assert "1.0 is what was tested" in ill(settings)["asyncssh"]
