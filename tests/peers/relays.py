"""A daemon for each relay that the gateway has.

The same tests run on each, but for what its module says that the channel relay cannot do.
"""

from typing import Final

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.openssh import OpenSSHServer

RELAYS: Final = ("packet", "channel")


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
