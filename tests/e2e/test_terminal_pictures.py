"""The terminal as people see it: each client logs on, searches, launches, works, returns."""

from collections.abc import Callable

import pyotp
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.putty import Screen
from peers.windowed import windowed

from config.model import Settings
from control import master_key, second_factors, users
from control.vault import open_vault
from recorder.clock import SystemClock
from storage.database import Database

pytestmark = pytest.mark.peers

CLIENTS = ("openssh", "plink", "putty")
PASSWORD = "Tr0ub4dor-and-a-PIN"


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    """With somebody for each client: a code is good once."""
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    for name in CLIENTS:
        made.cli("user", "add", name, "--password-stdin", typed=f"{PASSWORD}\n")
        made.cli("access", "grant", name, "web")
    return made


@pytest.fixture(scope="module")
def devices(daemon: Daemon) -> dict[str, pyotp.TOTP]:
    """It takes a page to add one, and here a stopped daemon."""
    daemon.stop()
    settings, clock, made = Settings(state_dir=daemon.state), SystemClock(), {}
    database = Database(settings.database_url)
    vault = open_vault(database, master_key.locate(settings, None))
    with database.transaction() as session:
        for name in CLIENTS:
            user = users.find(session, name)
            begun = second_factors.begin(session, vault, user.id, name, "bastion")
            made[name] = pyotp.TOTP(begun.key)
            earlier = made[name].at(clock.now().timestamp() - 30)
            second_factors.confirm(session, vault, user.id, earlier, clock.now())
    database.close()
    daemon.start()
    return made


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_shows_the_terminal_and_what_is_launched(
    daemon: Daemon,
    devices: dict[str, pyotp.TOTP],
    screen: Screen,
    record_property: Callable[[str, object], None],
    name: str,
):
    login, before = daemon.dress("", name, PASSWORD), len(daemon.sessions())
    with windowed(name, screen, login, daemon.fingerprints(), record_property) as client:
        client.expect("Password: ")
        client.type(PASSWORD)
        client.expect("Pin Code: ")
        client.picture("1-log-on")
        client.type(devices[name].now())
        client.expect("proxyd> ")
        client.type("search we")
        client.expect("ssh")
        client.expect("proxyd> ")
        client.picture("2-search")
        for number, step in enumerate(("3-launched", "5-launched-again")):
            client.type("launch web")
            client.expect("$ ")
            client.type(f"id -un; stty size; echo work-$((41+{number}))")
            client.expect(f"work-{41 + number}")
            client.expect("$ ")
            client.picture(step)
            client.type("exit")
            client.expect("proxyd> ")
            if number == 0:
                client.picture("4-returned")
        client.type("exit")
        assert client.wait() == 0
    wait_until(lambda: len(daemon.sessions()) == before + 3, "not three sessions")
    assert PASSWORD not in (screen.folder / f"{name}.log").read_text(errors="replace")
