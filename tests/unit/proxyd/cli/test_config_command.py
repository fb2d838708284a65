import tomllib

import pytest
from peers.certificates import Authority


def test_good_settings_are_said_to_be_good(proxyd, config_path):
    result = proxyd("config", "check")
    assert result.exit_code == 0
    assert str(config_path) in result.stderr


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("colour = 3", "unknown key `colour`"),
        ('[ssh]\nlogin_timeout_s = "soon"', "`login_timeout_s` in [ssh]"),
        ("[ssh", "this is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_ends_with_78(
    proxyd, config_path, line, complaint
):
    config_path.write_text(line)
    result = proxyd("config", "check")
    assert result.exit_code == 78
    assert complaint in result.stderr
    assert str(config_path) in result.stderr


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('[bus]\nurl = "pigeon:"', "bus.url: pigeon: is no bus of this version"),
        ('[database]\nurl = "mysql://db/x"', "[database] url: mysql is no database of"),
        ('[database]\nurl = "sqlite://"', "names no file: write sqlite:////"),
        ('[blobs]\nurl = "ftp://x"', "[blobs] url is of kind 'ftp': write database:"),
    ],
)
def test_what_this_version_lacks_is_found_before_anything_starts(
    proxyd, config_path, line, complaint
):
    config_path.write_text(line)
    result = proxyd("config", "check")
    assert result.exit_code == 78
    assert complaint in result.stderr
    assert "FAIL  settings: " in proxyd("doctor").stdout


def test_a_file_that_the_settings_name_is_looked_at(proxyd, config_path):
    with config_path.open("a") as settings:
        settings.write('[rdp]\nca_file = "/nowhere/ca.pem"\n')
    result = proxyd("config", "check")
    assert result.exit_code == 78
    assert "rdp.ca_file: /nowhere/ca.pem is not there" in result.stderr


def test_what_the_daemon_would_do_without_is_a_warning(proxyd, config_path, tmp_path):
    made = Authority(tmp_path).sign("publisher")
    made.key.chmod(0o644)
    with config_path.open("a") as settings:
        settings.write(f'[rdp]\nsigning_certificate_file = "{made.certificate}"\n')
        settings.write(f'signing_key_file = "{made.key}"\n')
    result = proxyd("config", "check")
    assert result.exit_code == 0
    [warning, done] = result.stderr.splitlines()
    assert warning.startswith("warning: ")
    assert f"{made.key} is open to others" in warning
    assert "the settings can be used" in done


def test_a_file_that_is_not_there_is_named(proxyd, config_path):
    config_path.unlink()
    result = proxyd("config", "check")
    assert result.exit_code == 78
    assert str(config_path) in result.stderr


def test_what_is_in_effect_is_shown_as_toml_and_as_json(proxyd, answer, state):
    shown = tomllib.loads(proxyd("config", "show").stdout)
    assert shown["state_dir"] == str(state)
    assert shown["ssh"]["listen"] == ["127.0.0.1:2222"]
    assert answer("config", "show")["ssh"]["listen"] == ["127.0.0.1:2222"]


def test_a_password_in_an_address_is_starred_out(proxyd, config_path):
    config_path.write_text('[bus]\nurl = "amqp://user:hunter2-canary@host/"\n')
    for output in ("table", "json"):
        shown = proxyd("--output", output, "config", "show").stdout
        assert "user:***@host" in shown
        assert "hunter2-canary" not in shown


def test_a_file_that_cannot_be_read_is_a_fault_of_the_configuration(proxyd, config_path):
    config_path.unlink()
    config_path.mkdir()
    result = proxyd("config", "check")
    assert result.exit_code == 78
    assert f"{config_path}: Is a directory; name a file with --config" in result.stderr
