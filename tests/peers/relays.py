"""A daemon for each relay that the gateway has.

The same tests run on each, but for what its module says that the channel relay cannot do.
"""

import os
from pathlib import Path
from typing import Final

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.openssh import OpenSSHServer

RELAYS: Final = ("packet", "channel")
BLOB: Final = os.urandom(3_000_000)
"""What is copied to and fro."""


@pytest.fixture(scope="module", params=RELAYS)
def relaying(
    request: pytest.FixtureRequest, make_daemon: MakeDaemon, openssh_server: OpenSSHServer
) -> Daemon:
    """A daemon for each relay, with the secret `web`."""
    daemon = make_daemon(PROXYD_SSH__RELAY=request.param, PROXYD_SSH__SOURCE_PENALTIES="false")
    daemon.add_secret("web", openssh_server)
    return daemon


@pytest.fixture(scope="module")
def relaying_login(relaying: Daemon) -> Login:
    return relaying.login("web")


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """A file that holds `BLOB`."""
    path = tmp_path / "blob"
    path.write_bytes(BLOB)
    return path
