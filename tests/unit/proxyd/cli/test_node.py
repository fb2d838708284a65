import json
import shutil

import pytest
from click.testing import CliRunner

from proxyd.cli import main


def test_init_sets_up_and_may_be_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("PROXYD_STATE_DIR", str(tmp_path / "state"))
    words = ("init", "--admin", "root", "--password-stdin")
    first = CliRunner().invoke(main, words, input="Correct-Horse-9-Battery\n")
    again = CliRunner().invoke(main, ["init"])
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "master key" in first.stderr
    assert again.stderr == "everything was set up already\n"
    users = json.loads(CliRunner().invoke(main, ["--output", "json", "user", "list"]).stdout)
    assert [(user["name"], user["role"]) for user in users] == [("root", "admin")]


def test_an_administrator_needs_a_password_and_a_password_an_administrator(proxyd):
    for words in (("--admin", "root"), ("--password-stdin",)):
        result = proxyd("init", *words, typed="pw\n")
        assert result.exit_code == 2
        assert "go together" in result.stderr


def test_run_refuses_what_was_never_set_up_and_names_the_next_step(proxyd, state):
    shutil.rmtree(state)
    result = proxyd("run")
    assert result.exit_code == 78


@pytest.mark.parametrize("role", ["engine", "worker", "control"])
def test_a_role_alone_needs_a_bus_between_nodes(proxyd, role):
    result = proxyd("run", role)
    assert result.exit_code == 78
    assert f"`proxyd run {role}` would talk to nobody" in result.stderr


def test_a_bus_of_another_version_is_refused(proxyd, config_path):
    config_path.write_text(config_path.read_text() + '[bus]\nurl = "nats://user@host/"\n')
    result = proxyd("run")
    assert result.exit_code == 78
    assert "bus.url: nats:" in result.stderr


def test_an_unknown_role_is_a_usage_error(proxyd):
    assert proxyd("run", "everything").exit_code == 2


def test_a_node_that_does_not_run_is_unreachable(proxyd, state):
    result = proxyd("status", "--wait", "0.2")
    assert result.exit_code == 5
    assert f"no proxyd runs on {state}: start it with `proxyd run`" in result.stderr


def test_a_node_that_was_never_set_up_is_unreachable_too(proxyd, state):
    shutil.rmtree(state)
    assert proxyd("status").exit_code == 5


def test_the_doctor_finds_a_healthy_node_healthy(proxyd, answer):
    result = proxyd("doctor")
    assert result.exit_code == 0, result.stdout
    assert all(line.startswith(("ok  ", "warn")) for line in result.stdout.splitlines())
    assert all(finding["ok"] for finding in answer("doctor"))


def test_the_doctor_names_what_is_ill_and_what_to_do(proxyd, state):
    (state / "master.key").unlink()
    result = proxyd("doctor")
    assert result.exit_code == 1
    assert f"FAIL  master key: the master key {state}/master.key" in result.stdout
    assert "1 of 16 checks failed" in result.stderr


def test_the_master_key_is_replaced_and_secrets_stay_readable(proxyd, state):
    before = (state / "master.key").read_bytes()
    result = proxyd("rotate-master-key")
    assert result.exit_code == 0
    assert "keep a copy" in result.stderr
    assert (state / "master.key").read_bytes() != before
    assert proxyd("secret", "list").exit_code == 0
