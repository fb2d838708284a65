"""A launch where the page and the gateway are on different machines, a real broker between."""

import pytest
from peers.launcher import LogInAs, UserMachine, fingerprint
from peers.site import Site
from peers.terminal import OpenTerminal

from clients.launcher.answer import decode
from clients.launcher.exchange import redeem
from clients.launcher.link import parse_link
from clients.launcher.registry import server_of

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def site_with_page(site: Site) -> Site:
    """Its control node has a page; the engine was there before, and does not tell again."""
    site.control.stop()
    site.control._env["PROXYD_CONTROL__LISTEN"] = f"127.0.0.1:{site.control.page_port}"
    site.control.start()
    return site


def test_the_launcher_knows_the_gateway_of_an_engine_that_is_elsewhere(
    site_with_page: Site,
    user_machine: UserMachine,
    log_in_as: LogInAs,
    open_terminal: OpenTerminal,
) -> None:
    control, engine = site_with_page.control, site_with_page.engine
    alice = log_in_as(control)
    server = server_of(None, fingerprint(control))
    order = decode(redeem(parse_link(alice.link("web")), server))
    keys = [path.read_text().strip() for path in engine.state.glob("ssh_host_*_key.pub")]
    assert sorted(order.host_keys) == sorted(keys)
    assert len(order.certificate_fingerprints) == 1
    user_machine.register(control)
    terminal = open_terminal([user_machine.program, alice.link("web")], env=user_machine.env)
    terminal.expect(r"[$#] ")
    terminal.enter("echo from-the-$((40+2)); exit")
    assert terminal.wait() == 0
    assert b"from-the-42" in control.recorded().export("output")
