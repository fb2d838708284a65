"""asyncssh as a client: for what no ready program can be made to send."""

import asyncssh
from peers.login import Login


def connect(login: Login) -> "asyncssh.connect":
    """A connection with a proxy credential and nothing from this machine."""
    return asyncssh.connect(
        "127.0.0.1",
        login.port,
        username=login.username,
        password=login.password,
        known_hosts=None,
        client_keys=None,
        agent_path=None,
        config=None,
    )
