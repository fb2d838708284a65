"""Log-in with a password that a real LDAP directory knows."""

import httpx
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.slapd import Directory

from config.errors import ConfigError
from config.model import LDAPSettings
from control.directory import Directory as Asked

pytestmark = [
    pytest.mark.peers,
    # ldap3 has not changed for years; what it imports has.
    pytest.mark.filterwarnings(
        r"ignore:(tagMap|typeMap|ssl.match_hostname\(\)) is deprecated:DeprecationWarning"
    ),
]
LOCAL, REMOTE = "a local sentence of lena", "a sentence of lena"


def asked(directory: Directory, **other: object) -> Asked:
    given = {
        "url": f"ldaps://127.0.0.1:{directory.secure_port}",
        "user_dn": directory.user_dn,
        "ca_file": directory.authority.file,
    }
    return Asked(LDAPSettings(**(given | other)))


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, directory: Directory) -> Daemon:
    made = make_daemon(
        page=True,
        PROXYD_LDAP__URL=f"ldaps://127.0.0.1:{directory.secure_port}",
        PROXYD_LDAP__USER_DN=directory.user_dn,
        PROXYD_LDAP__CA_FILE=str(directory.authority.file),
    )
    made.cli("user", "add", "lena", "--password-stdin", typed=LOCAL + "\n")
    return made


def gets_in(daemon: Daemon, name: str, password: str) -> bool:
    address = f"https://127.0.0.1:{daemon.page_port}/login"
    given = {"username": name, "password": password}
    with httpx.Client(verify=False, timeout=30) as browser:  # noqa: S501 - it made its certificate itself
        answer = browser.post(address, data=given)
    return answer.status_code == 303


def test_the_directory_knows_the_password_of_an_entry(directory: Directory) -> None:
    for url in (
        f"ldaps://127.0.0.1:{directory.secure_port}",
        f"ldap://127.0.0.1:{directory.port}",
    ):
        one = asked(directory, url=url)
        assert one.verifies("lena", REMOTE)
        for name, password in (
            ("lena", "wrong"),
            ("lena", ""),
            ("nobody", REMOTE),
            ("lena,ou=people", REMOTE),
            ("", REMOTE),
        ):
            assert not one.verifies(name, password), (name, password)


def test_a_directory_that_nobody_vouches_for_is_told_nothing(
    directory: Directory, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not asked(directory, ca_file=None).verifies("lena", REMOTE)
    assert REMOTE not in "".join(capfd.readouterr())


def test_settings_that_cannot_work_are_said(directory: Directory) -> None:
    with pytest.raises(ConfigError, match="user_dn must hold"):
        asked(directory, user_dn="uid=lena")


def test_a_user_logs_in_with_either_password_and_others_do_not(daemon: Daemon) -> None:
    assert gets_in(daemon, "lena", REMOTE)
    assert gets_in(daemon, "lena", LOCAL)
    assert not gets_in(daemon, "lena", "a sentence of otto")
    assert not gets_in(daemon, "otto", "a sentence of otto"), "nobody made him here"
    assert REMOTE not in daemon.log.read_text()


def test_where_the_directory_is_gone_the_local_password_works(
    daemon: Daemon, directory: Directory
) -> None:
    directory.process.kill()
    directory.process.wait(10)
    assert not gets_in(daemon, "lena", REMOTE)
    assert gets_in(daemon, "lena", LOCAL)
    assert "directory.unreachable" in daemon.log.read_text()
