"""An engine's way in and out, as operators go it: with the real programs and a real broker."""

from collections.abc import Iterator

import pytest
from peers.openssh import OpenSSHServer
from peers.rabbitmq import RabbitMQ, new_vhost
from peers.site import QUICK, Site, Typist


@pytest.fixture(scope="module")
def site(rabbitmq: RabbitMQ, openssh_server: OpenSSHServer) -> Iterator[Site]:
    made = Site(new_vhost(rabbitmq), openssh_server, QUICK)
    try:
        yield made
    finally:
        made.remove()


def test_an_engine_is_nobody_before_it_is_enrolled_and_nobody_after_it_is_revoked(site: Site):
    site.engine.state.mkdir()
    site.engine.cli("init", "--engine")
    started = site.engine.cli("run", "engine", check=False)
    assert started.status == 78
    assert "proxyd engine enrol --site NAME" in started.said

    site.start()
    login = site.control.login("web")
    [engine] = site.control.json("engine", "list")
    assert engine["state"] == "active"
    with Typist(login) as typist:
        typist.type()
        live = site.control.live()
        assert live.row["engine"] == engine["id"]
        site.control.cli("engine", "revoke", engine["id"])
        typist.wait_until_thrown_out(30)
        assert b"the engine was revoked" in typist.seen

    refused = login.run("echo never")
    assert refused.status == 255
    assert b"never" not in refused.stdout
    shown = site.control.json("audit", "list", "--action", "engine.denied")
    assert {row["subject"] for row in shown} >= {"redeem_credential"}
    assert [row["state"] for row in site.control.json("engine", "list")] == ["revoked"]
