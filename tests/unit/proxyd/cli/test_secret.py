import socket

import asyncssh
import pytest

WEB = ("--protocol", "ssh", "--host", "10.0.0.5", "--port", "22", "--username", "root")
CANARY = "hunter2-canary"


@pytest.fixture
def web(proxyd):
    result = proxyd("secret", "add", "web", *WEB, "--password-stdin", typed=f"{CANARY}\n")
    assert result.exit_code == 0, result.stderr


def test_a_secret_is_added_and_shown_without_its_credential(web, answer):
    shown = answer("secret", "show", "web")
    assert (shown["host"], shown["port"], shown["username"]) == ("10.0.0.5", 22, "root")
    assert (shown["credential"], shown["host_key_policy"]) == ("password", "tofu")
    assert shown["channels"] == ["exec", "scp", "sftp", "shell"]
    assert CANARY not in str(shown)


def test_the_list_is_a_table_or_one_json_document(web, proxyd, answer):
    assert [row["name"] for row in answer("secret", "list")] == ["web"]
    table = proxyd("secret", "list").stdout
    assert "10.0.0.5:22" in table
    assert CANARY not in table


def test_what_is_said_besides_data_goes_to_standard_error(proxyd):
    result = proxyd("secret", "add", "web", *WEB, "--password-stdin", typed="pw\n")
    assert (result.stdout, result.stderr) == ("", "added the secret web\n")


def test_an_edit_changes_what_it_names_and_nothing_else(web, answer):
    edited = answer("secret", "edit", "web", "--capture", "full", "--channels", "shell, agent")
    assert (edited["capture"], edited["channels"]) == ("full", ["shell", "agent"])
    assert (edited["host"], edited["credential"]) == ("10.0.0.5", "password")


def test_a_host_key_that_is_given_is_stored_without_its_comment(proxyd, answer, key_pair):
    kind, body, *_ = key_pair[1].split()
    options = ("--password-stdin", "--host-key", f"{kind} {body} root@web")
    shown = answer("secret", "add", "web", *WEB, *options, typed="pw\n")
    assert (shown["host_key_policy"], shown["host_keys"]) == ("given", [f"{kind} {body}"])


def test_a_private_key_is_read_from_a_file(answer, tmp_path, key_pair):
    (tmp_path / "key").write_text(key_pair[0])
    shown = answer("secret", "add", "web", *WEB, "--key-file", str(tmp_path / "key"))
    assert shown["credential"] == "key"


def test_a_removed_secret_is_gone(web, proxyd):
    assert proxyd("secret", "remove", "web").exit_code == 0
    assert proxyd("secret", "show", "web").exit_code == 3


def test_a_secret_that_is_not_there_is_named(proxyd):
    for command in ("show", "remove", "test"):
        result = proxyd("secret", command, "nobody")
        assert result.exit_code == 3
        assert "`nobody`" in result.stderr


def test_a_target_that_refuses_is_unreachable(proxyd):
    with socket.socket() as bound:  # And not listening: nobody else gets it, and it refuses.
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        where = ("--protocol", "ssh", "--host", "127.0.0.1", "--port", str(port))
        added = (*where, "--username", "root", "--password-stdin")
        proxyd("secret", "add", "closed", *added, typed="pw\n")
        result = proxyd("secret", "test", "closed")
    assert result.exit_code == 5
    assert f"127.0.0.1:{port} refused the connection" in result.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--password-stdin", "--key-file", "x"), "choose one of --password-stdin"),
        (("--password-stdin", "--host-key-any", "--host-key-tofu"), "choose one of --host-key"),
        ((), "give the credential"),
        (("--password-stdin", "--port", "70000"), "70000 is not in the range"),
        (("--password-stdin", "--record", "all"), "'all' is not one of"),
    ],
)
def test_options_that_make_no_sense_are_a_usage_error(proxyd, options, complaint):
    result = proxyd("secret", "add", "web", *WEB, *options, typed="pw\n")
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_name_that_is_none_is_a_usage_error(proxyd):
    result = proxyd("secret", "add", "a b", *WEB, "--password-stdin", typed="pw\n")
    assert result.exit_code == 2
    assert "name: a name is 1 to 64 letters" in result.stderr


def test_a_host_key_that_is_none_is_refused(proxyd):
    options = ("--password-stdin", "--host-key", "ssh-ed25519 nonsense")
    result = proxyd("secret", "add", "web", *WEB, *options, typed="pw\n")
    assert result.exit_code == 2
    assert "`ssh-ed25519 AAAA…`" in result.stderr


def test_no_password_on_standard_input_is_said(proxyd):
    result = proxyd("secret", "add", "web", *WEB, "--password-stdin", typed="")
    assert result.exit_code == 1
    assert "no password came on standard input" in result.stderr


def test_a_key_file_that_is_not_there_is_named(proxyd, tmp_path):
    missing = tmp_path / "missing"
    result = proxyd("secret", "add", "web", *WEB, "--key-file", str(missing))
    assert result.exit_code == 1
    assert f"{missing} cannot be read: No such file" in result.stderr


def test_a_file_that_holds_no_key_is_refused(proxyd, tmp_path):
    (tmp_path / "key").write_text("not a key")
    result = proxyd("secret", "add", "web", *WEB, "--key-file", str(tmp_path / "key"))
    assert result.exit_code == 1
    assert f"the key file {tmp_path}/key holds no private key" in result.stderr


def test_an_encrypted_key_wants_its_passphrase(proxyd, answer, tmp_path):
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "key").write_bytes(
        key.export_private_key(passphrase="open sesame", rounds=16, ignore_few_rounds=True)
    )
    options = ("--key-file", str(tmp_path / "key"))
    result = proxyd("secret", "add", "web", *WEB, *options)
    assert result.exit_code == 1
    assert "--passphrase-stdin" in result.stderr
    wrong = proxyd("secret", "add", "web", *WEB, *options, "--passphrase-stdin", typed="no\n")
    assert wrong.exit_code == 1
    assert "the passphrase is wrong" in wrong.stderr
    shown = answer(
        "secret", "add", "web", *WEB, *options, "--passphrase-stdin", typed="open sesame\n"
    )
    assert shown["credential"] == "key with passphrase"


def test_a_name_that_is_taken_is_said(web, proxyd):
    result = proxyd("secret", "add", "web", *WEB, "--password-stdin", typed="pw\n")
    assert result.exit_code == 1
    assert "`proxyd secret edit web`" in result.stderr


def test_masking_is_switched_off_by_its_short_name_too(web, answer):
    assert answer("secret", "edit", "web", "--no-mask")["mask_typed"] is False
    assert answer("secret", "edit", "web", "--mask-typed")["mask_typed"] is True


@pytest.mark.parametrize(("protocol", "port"), [("ssh", 22), ("rdp", 3389)])
def test_a_target_is_where_its_protocol_is_at_home_unless_a_port_says_otherwise(
    proxyd, answer, protocol, port
):
    where = ("--protocol", protocol, "--host", "web1", "--username", "root")
    proxyd("secret", "add", "web", *where, "--password-stdin", typed="pw\n")
    assert answer("secret", "show", "web")["port"] == port
