"""alice, who logs on with her own account: to the terminal, or straight to a target."""

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.terminal import Terminal

PASSWORD = "Correct-Horse-9-Battery"


@pytest.fixture(scope="module")
def alice(daemon: Daemon) -> Login:
    return daemon.dress("", "alice", PASSWORD)


@pytest.fixture(scope="module")
def alice_web(daemon: Daemon) -> Login:
    return daemon.dress("", "alice%web", PASSWORD)


def answering(terminal: Terminal, *answers: tuple[str, str]) -> None:
    for asked, answer in answers:
        terminal.expect(asked)
        terminal.type(f"{answer}\r")
