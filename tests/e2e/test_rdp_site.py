"""Desktops at a site of its own: the broker, control and the engine go away and come back."""

import asyncio
import base64
import contextlib
import os
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.display import Display
from peers.freerdp import Shadow, rdp_login
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.rabbitmq import RabbitMQ, new_vhost
from peers.raw_rdp import RawPeer, RawTarget, painted, raw_client
from peers.recording import Recording
from peers.site import LATEST_S, QUICK, Site

from protocols.rdp.leg import LegClosedError
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.errinfo import ErrorInfo

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("hung_up")]

QUOTA_BYTES = 3_000_000
ENGINE = QUICK + f"session_quota_bytes = {QUOTA_BYTES}\n"
DENIED = slowpath.set_error_info(ErrorInfo.DENIED)


@pytest.fixture(scope="module")
def site(rabbitmq: RabbitMQ, openssh_server: OpenSSHServer) -> Iterator[Site]:
    made = Site(new_vhost(rabbitmq), openssh_server, ENGINE)
    try:
        yield made.start()
    finally:
        made.remove()


@asynccontextmanager
async def desktop(
    site: Site, folder: Path, *words: str
) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A session at a raw target: its two ends."""
    target = RawTarget(folder)
    async with target.listening():
        name = f"raw-{target.port}"
        where = ("--port", str(target.port), "--username", "bob", "--password-stdin")
        how = ("--certificate-any", *words)
        await asyncio.to_thread(
            site.control.add_target, name, *where, *how, typed="Real-S3cret\n", protocol="rdp"
        )
        login = await asyncio.to_thread(rdp_login, site.control, name)
        client = await raw_client(site.control.rdp_port, login.username, login.password)
        peer = await target.met()
        yield client, peer
        client.hang_up()
        peer.hang_up()


def shown(recording: Recording) -> bytes:
    rows = recording.events("target_data")
    return b"".join(base64.b64decode(row["data_base64"]) for row in rows)


def seen(client: RawPeer) -> bytes:
    return bytes(client.came[client.handshake_bytes :])


async def shows(client: RawPeer, peer: RawPeer, number: int) -> None:
    """Show something new, and see it."""
    picture = painted(4000, bytes([number]))
    await peer.send(picture)
    await client.until(picture)


async def recorded(site: Site) -> Recording:
    return await asyncio.to_thread(lambda: site.control.recorded(seconds=60))


async def test_a_desktop_goes_on_without_the_broker_where_its_secret_says_so(
    site: Site, tmp_path: Path, shadow_server: Shadow, desk: Display
):
    site.control.add_target(
        *("shadow", "--port", str(shadow_server.port), "--password-stdin"),
        *("--username", shadow_server.username, "--on-loss", "spool"),
        typed=shadow_server.password + "\n",
        protocol="rdp",
    )
    login = await asyncio.to_thread(rdp_login, site.control, "shadow")
    viewer = login.view(desk)
    await asyncio.to_thread(viewer.shows, shadow_server.colour)
    other = await asyncio.to_thread(site.control.live)
    broker = site.vhost.broker
    async with desktop(site, tmp_path, "--on-loss", "spool") as (client, peer):
        await shows(client, peer, 1)
        await asyncio.to_thread(broker.kill9)
        for number in range(2, 5):
            await asyncio.sleep(0.7)
            await shows(client, peer, number)
        shadow_server.display.run("xsetroot", "-solid", "#402021")
        await asyncio.to_thread(viewer.shows, bytes.fromhex("402021"))
        await asyncio.to_thread(broker.start)
        await shows(client, peer, 5)
    recording = await recorded(site)
    assert (recording.row["state"], recording.row["complete"]) == ("finished", True)
    assert shown(recording) == seen(client)
    assert recording.verify() == 0
    shadow_server.display.run("xsetroot", "-solid", "#402020")
    viewer.close()
    await asyncio.to_thread(wait_until, lambda: is_whole(site.control, other.id), "not stored")


def is_whole(control: Daemon, session_id: str) -> bool:
    [row] = [row for row in control.sessions() if row["id"] == session_id]
    return row["state"] == "finished" and bool(row["complete"])


async def until_cut(work: Coroutine[None, None, None]) -> None:
    with contextlib.suppress(LegClosedError):
        await work


async def fill(peer: RawPeer, size_bytes: int) -> None:
    """Show so much that takes as much room as it is long, as fast as it is taken."""
    for _ in range(size_bytes // 4000):
        await peer.send(painted(4000)[:3] + os.urandom(3997))
        await asyncio.sleep(0.001)


async def watch(client: RawPeer) -> None:
    while True:
        await client.read()


async def test_a_desktop_waits_while_nothing_more_can_be_kept_and_goes_on_then(
    site: Site, tmp_path: Path
):
    """It never runs unrecorded: what the client sees is never more than what is kept."""
    broker = site.vhost.broker
    async with desktop(site, tmp_path, "--on-loss", "spool") as (client, peer):
        await shows(client, peer, 1)
        whole_bytes = len(seen(client)) + 4 * QUOTA_BYTES
        await asyncio.to_thread(broker.freeze)
        try:
            async with asyncio.TaskGroup() as tasks:
                filling = tasks.create_task(fill(peer, 4 * QUOTA_BYTES))
                watching = tasks.create_task(until_cut(watch(client)))
                came, quiet_since = -1, time.monotonic()
                while time.monotonic() - quiet_since < 1.5:
                    if len(client.came) > came:
                        came, quiet_since = len(client.came), time.monotonic()
                    await asyncio.sleep(0.1)
                assert not filling.done(), "it ran on without an end"
                assert came < 3 * QUOTA_BYTES
                await asyncio.to_thread(broker.thaw)
                await filling
                await asyncio.to_thread(
                    wait_until, lambda: len(seen(client)) >= whole_bytes, "it does not go on"
                )
                watching.cancel()
        finally:
            await asyncio.to_thread(broker.thaw)
    recording = await recorded(site)
    assert (recording.row["state"], recording.row["complete"]) == ("finished", True)
    assert len(seen(client)) == whole_bytes
    assert shown(recording) == seen(client)


async def test_ten_seconds_without_storage_end_a_desktop_that_must_be_recorded(
    site: Site, tmp_path: Path
):
    broker = site.vhost.broker
    async with desktop(site, tmp_path) as (client, peer):
        await shows(client, peer, 1)
        await asyncio.to_thread(
            wait_until,
            lambda: site.engine.json("status")["unreachable_s"] == 0,
            "storage is away already",
        )
        await asyncio.to_thread(broker.freeze)
        began = time.monotonic()
        try:
            with contextlib.suppress(LegClosedError):
                while time.monotonic() - began < LATEST_S + 2:
                    await shows(client, peer, 2 + int(time.monotonic() - began))
                    await asyncio.sleep(0.1)
            await until_cut(client.until(DENIED))
            assert DENIED in client.came
        finally:
            await asyncio.to_thread(broker.thaw)
        assert time.monotonic() - began > 9
    recording = await recorded(site)
    assert (recording.row["end_reason"], recording.row["complete"]) == ("recording_lost", True)
    farewell = mcs.send_indication(slowpath.SERVER_USER, 1003, DENIED) + mcs.disconnect()
    assert seen(client).endswith(farewell)
    assert shown(recording).startswith(seen(client).removesuffix(farewell))


async def test_a_killed_control_node_and_a_killed_engine_lose_nothing_that_was_shown(
    site: Site, tmp_path: Path
):
    async with desktop(site, tmp_path, "--on-loss", "spool") as (client, peer):
        await shows(client, peer, 1)
        await asyncio.to_thread(site.control.kill9)
        await shows(client, peer, 2)
        await asyncio.to_thread(site.control.start)
        await shows(client, peer, 3)
        await asyncio.to_thread(site.engine.kill9)
        await client.gone()
        await peer.gone()
    await asyncio.to_thread(site.engine.start)
    recording = await recorded(site)
    assert (recording.row["state"], recording.row["complete"]) == ("interrupted", True)
    assert shown(recording) == seen(client)
    assert recording.verify() == 0
