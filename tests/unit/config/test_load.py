import os
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load
from config.model import OnLoss, RelayKind, Settings


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "proxyd.toml"
        path.write_text(text)
        return path

    return write


def complaint(path: Path | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return str(caught.value)


def test_without_a_file_the_defaults_hold():
    assert load(None, {}) == Settings()


def test_the_reference_file_holds_the_defaults():
    assert load(Path(__file__).parents[3] / "config/proxyd.toml", {}) == Settings()


def test_the_file_wins_over_the_default(write):
    settings = load(write('state_dir = "/srv/p"\n[ssh]\nrelay = "channel"\n'), {})
    assert settings.state_dir == Path("/srv/p")
    assert settings.ssh.relay is RelayKind.CHANNEL
    assert settings.ssh.max_tries == 6


def test_the_environment_wins_over_the_file(write):
    path = write('site = "a"\n[ssh]\nmax_tries = 3\n')
    settings = load(path, {"PROXYD_SSH__MAX_TRIES": "2", "PROXYD_SITE": "b"})
    assert (settings.ssh.max_tries, settings.site) == (2, "b")


@pytest.mark.parametrize(
    ("variable", "text", "read"),
    [
        ("PROXYD_STATE_DIR", "/x", lambda s: s.state_dir == Path("/x")),
        ("PROXYD_RECORDER__ON_LOSS", "spool", lambda s: s.recorder.on_loss is OnLoss.SPOOL),
        ("PROXYD_SSH__SOURCE_PENALTIES", "false", lambda s: not s.ssh.source_penalties),
        ("PROXYD_SSH__IDLE_TIMEOUT_S", "1.5", lambda s: s.ssh.idle_timeout_s == 1.5),
        ("PROXYD_DATABASE__URL", "sqlite:///x", lambda s: s.database_url == "sqlite:///x"),
        ("PROXYD_LOG_LEVEL", "debug", lambda s: s.log_level == "debug"),
    ],
)
def test_a_variable_sets_a_key_of_any_type(variable, text, read):
    assert read(load(None, {variable: text}))


def test_a_table_in_the_environment_is_toml():
    environ = {"PROXYD_BLOBS__SITES": '{lyon = "s3://bucket"}'}
    assert load(None, environ).blobs.sites == {"lyon": "s3://bucket"}
    with pytest.raises(ConfigError, match="this is not a TOML table"):
        load(None, {"PROXYD_BLOBS__SITES": "lyon"})


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:1, [::1]:2", ("127.0.0.1:1", "[::1]:2")),
        ('["127.0.0.1:1", "[::1]:2"]', ("127.0.0.1:1", "[::1]:2")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_a_list_in_the_environment_has_commas_or_is_toml(text, listen):
    assert load(None, {"PROXYD_SSH__LISTEN": text}).ssh.listen == listen


def test_variables_of_others_are_left_alone():
    others = {"PROXYD_CONFIG": "/x", "PROXYD_SERVICE_HOST": "10.0.0.1", "SSH__PORT": "1"}
    assert load(None, others) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[ssh]\nlistn = []", "unknown key `listn` in [ssh]; did you mean `listen`?"),
        ("[shh]\nport = 1", "unknown table [shh]; did you mean `ssh`?"),
        ("stat_dir = '/x'", "unknown key `stat_dir`; did you mean `state_dir`?"),
        ("[bus]\nqqq = 1", "unknown key `qqq` in [bus]; known are answer_timeout_s, ca_file"),
        ("[blobs]\nsites = 's3://b'", "expected a table of names, each with text"),
        ("ssh = 22", "`ssh` is a table: write [ssh] above its keys"),
        (
            "[ssh]\nmax_tries = 0",
            "`max_tries` in [ssh] cannot be 0: expected a whole number >= 1",
        ),
        (
            "[ssh]\nmax_tries = '3'",
            '`max_tries` in [ssh] cannot be "3": expected a whole number >= 1, without quotes',
        ),
        (
            "site = 3",
            "`site` cannot be 3: expected text in quotes, up to 64 letters, digits, - and _",
        ),
        ("state_dir = true", "`state_dir` cannot be true: expected text in quotes, a path"),
        ("log_level = 2026-01-01", "`log_level` cannot be 2026-01-01: expected text in quotes"),
        ("[database]\nurl = 5", "`url` in [database] cannot be 5: expected text in quotes"),
        (
            "[ssh]\nrelay = inf",
            "`relay` in [ssh] cannot be inf: expected text in quotes, one of",
        ),
        ("[rdp]\nclient_security = [4]", "cannot be [4]: expected a list of at least 1, each"),
        ("[blobs]\nsites = {a = 3}", 'cannot be { "a" = 3 }: expected a table of names'),
        ("[ssh]\nrelay = 'fast'", "expected one of auto, packet, channel"),
        ("[ssh]\nlisten = '22'", "expected a list, each item an address and a port"),
        ("[ssh]\nlisten = ['a:65536']", "expected a list, each item an address and a port"),
        ("[ssh]\nmax_startups = '10'", "expected start:percent:full, like 10:30:100"),
        ("[ssh]\nsource_penalties = 'no'", "expected true or false, without quotes"),
        ("[ssh]\nlogin_timeout_s = nan", "expected a number > 0"),
        ("[control]\nmaster_key_file = 3", "expected text in quotes, a path"),
        ("log_level = 'loud'", "expected one of debug, error, info, warning"),
        ("[ssh", "this is not TOML: Expected ']' at the end of a table declaration"),
    ],
)
def test_a_mistake_is_named_with_its_file_its_key_and_what_is_allowed(write, text, expected):
    path = write(text)
    assert complaint(path).startswith(f"{path}: ")
    assert expected in complaint(path)


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("PROXYD_SSH__LISTN", "", "unknown key `listn` in [ssh]; did you mean `listen`?"),
        ("PROXYD_SHH__LISTEN", "", "unknown table [shh]; did you mean `ssh`?"),
        ("PROXYD_STATEDIR", "/x", "unknown key `statedir`; did you mean `state_dir`?"),
        ("PROXYD_SSH__MAX_TRIES", "many", 'cannot be "many": expected a whole number >= 1'),
        ("PROXYD_SSH__LISTEN", "[", "this is not a TOML list"),
        ("PROXYD_STATE_DIR", "", 'cannot be "": expected a path'),
    ],
)
def test_a_mistake_in_the_environment_is_named_with_its_variable(variable, text, expected):
    message = complaint(None, {variable: text})
    assert message.startswith(f"{variable}")
    assert expected in message


def test_a_password_in_an_address_is_not_repeated(write):
    message = complaint(write("[ssh]\nlisten = 'amqp://me:hunter2@host'"))
    assert "me:***@host" in message
    assert "hunter2" not in message


def test_a_file_that_is_not_there_says_what_to_do(tmp_path):
    assert "there is no such file; write it" in complaint(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path):
    assert f"{tmp_path}: Is a directory" in complaint(tmp_path)


def test_a_file_that_is_not_text_says_where(tmp_path):
    (tmp_path / "c.toml").write_bytes(b'site = "\xff"')
    assert "byte 8 is not UTF-8" in complaint(tmp_path / "c.toml")


@pytest.fixture
def nobody():
    """Root reads everything, so root becomes somebody else for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield os.geteuid()
    os.seteuid(before)


def test_a_closed_file_says_for_whom_to_open_it(nobody):
    message = complaint(Path("/etc/shadow"))
    assert f"permission denied; let the user with id {nobody} read it" in message


@pytest.mark.parametrize("name", ["bastion", "b-1.example.org", "192.0.2.1", "2001:db8::1"])
def test_issued_commands_may_show_a_name_or_an_address(write, name):
    assert load(write(f'public_host = "{name}"'), {}).public_host == name


@pytest.mark.parametrize("name", ["", "a b", "-oProxyCommand=x", "host:2222", "a\\nb"])
def test_what_no_client_could_connect_to_is_refused(write, name):
    assert "`public_host` cannot be" in complaint(write(f'public_host = "{name}"'))
