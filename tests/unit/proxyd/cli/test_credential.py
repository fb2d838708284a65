import datetime as dt
import re

import pytest


@pytest.fixture(autouse=True)
def _ana_may_reach_web(proxyd):
    proxyd("user", "add", "ana", "--password-stdin", typed="Correct-Horse-9-Battery\n")
    target = ("--protocol", "ssh", "--host", "h", "--port", "22", "--username", "root")
    proxyd("secret", "add", "web", *target, "--password-stdin", typed="pw\n")
    proxyd("access", "grant", "ana", "web")


def test_what_is_issued_has_every_key_that_scripts_rely_on(answer):
    issued = answer("credential", "issue", "web", "--user", "ana", "--ttl", "2h", "--uses", "3")
    assert {
        *("id", "username", "password", "host", "port"),
        *("protocol", "expires_at", "uses", "commands"),
    } <= issued.keys()
    assert re.fullmatch("[a-z0-9-]{8,20}", issued["username"])
    assert re.fullmatch("[A-Za-z0-9]{24,32}", issued["password"])
    assert (issued["host"], issued["port"], issued["uses"]) == ("bastion.example.org", 2222, 3)
    assert {"openssh", "putty", "plink"} <= issued["commands"].keys()
    left = dt.datetime.fromisoformat(issued["expires_at"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=1, minutes=59) < left <= dt.timedelta(hours=2)


def test_no_command_line_holds_the_password(answer):
    issued = answer("credential", "issue", "web", "--user", "ana")
    assert issued["password"] not in str(issued["commands"])


def test_the_password_is_shown_once(proxyd, answer):
    shown = proxyd("credential", "issue", "web", "--user", "ana").stdout
    password = re.search(r"password +(\w{24,})", shown)[1]
    assert password not in proxyd("credential", "list").stdout
    [row] = answer("credential", "list")
    assert password not in str(row)
    assert (row["user"], row["secret"], row["state"]) == ("ana", "web", "valid")


def test_a_port_that_is_chosen_at_start_is_not_shown_as_0(proxyd, config_path):
    config_path.write_text(config_path.read_text().replace(":2222", ":0"))
    shown = proxyd("credential", "issue", "web", "--user", "ana").stdout
    assert re.search(r"port +chosen when proxyd starts", shown)
    assert "ssh -p PORT " in shown


def test_a_credential_is_taken_back(proxyd, answer):
    issued = answer("credential", "issue", "web", "--user", "ana")
    assert proxyd("credential", "revoke", issued["id"]).exit_code == 0
    assert [row["state"] for row in answer("credential", "list")] == ["revoked"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("issue", "nothing", "--user", "ana"), 3, "nothing"),
        (("issue", "web", "--user", "nobody"), 3, "nobody"),
        (("issue", "web"), 2, "--user"),
        (("issue", "web", "--user", "ana", "--ttl", "soon"), 2, "write 90s, 15m, 2h or 1d"),
        (("issue", "web", "--user", "ana", "--uses", "0"), 2, "0 is not in the range"),
        (("issue", "web", "--user", "ana", "--source", "there"), 2, "there"),
        (("revoke", "0123"), 3, "0123"),
    ],
)
def test_bad_input_is_named(proxyd, arguments, exit_code, complaint):
    result = proxyd("credential", *arguments)
    assert result.exit_code == exit_code
    assert complaint in result.stderr


def test_without_access_nothing_is_issued(proxyd):
    proxyd("access", "revoke", "ana", "web")
    result = proxyd("credential", "issue", "web", "--user", "ana")
    assert result.exit_code == 4
    assert "ana" in result.stderr


@pytest.fixture
def _ana_may_reach_desk(proxyd):
    target = ("--protocol", "rdp", "--host", "h", "--port", "3389", "--username", "root")
    proxyd("secret", "add", "desk", *target, "--password-stdin", typed="pw\n")
    proxyd("access", "grant", "ana", "desk")


@pytest.mark.usefixtures("_ana_may_reach_desk")
def test_a_login_for_rdp_comes_with_lines_and_a_file_for_its_clients(answer, tmp_path):
    file = tmp_path / "desk.rdp"
    issued = answer("credential", "issue", "desk", "--user", "ana", "--rdp-file", str(file))
    assert (issued["protocol"], issued["port"]) == ("rdp", 3390)
    assert {"mstsc", "xfreerdp"} <= issued["commands"].keys()
    assert f"username:s:{issued['username']}" in file.read_text()
    assert issued["password"] not in file.read_text() + str(issued["commands"])


def test_a_login_for_ssh_has_no_such_file_and_says_how_to_take_it_back(proxyd, tmp_path):
    file = tmp_path / "web.rdp"
    done = proxyd("credential", "issue", "web", "--user", "ana", "--rdp-file", str(file))
    assert done.exit_code == 1
    assert "credential revoke" in done.stderr
    assert not file.exists()
    nowhere = str(tmp_path / "no" / "web.rdp")
    assert proxyd(
        "credential", "issue", "web", "--user", "ana", "--rdp-file", nowhere
    ).exit_code


@pytest.mark.usefixtures("_ana_may_reach_desk")
def test_a_file_that_cannot_be_written_is_no_silent_loss(proxyd, tmp_path):
    nowhere = str(tmp_path / "no" / "desk.rdp")
    done = proxyd("credential", "issue", "desk", "--user", "ana", "--rdp-file", nowhere)
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
