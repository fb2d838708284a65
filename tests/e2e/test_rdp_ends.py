"""How desktops end when nobody means them to: what was shown is kept, users are told."""

import asyncio
import base64
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import RDPLogin, Shadow, rdp_login
from peers.needed import program, wait_until
from peers.output import run
from peers.raw_rdp import RawPeer, RawTarget, painted, raw_client
from peers.recording import Json, Recording

from protocols.rdp.leg import LegClosedError
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.errinfo import ErrorInfo

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("hung_up")]

MIB = 1024 * 1024
ALIVE_S = 1
NO_PENALTIES = {"PROXYD_RDP__SOURCE_PENALTIES": "false"}


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, shadow_server: Shadow) -> Daemon:
    alive = {"INTERVAL_S": str(ALIVE_S), "COUNT": "1"}
    settings = {
        f"PROXYD_RDP__{who}_ALIVE_{name}": value
        for who in ("TARGET", "CLIENT")
        for name, value in alive.items()
    }
    daemon = make_daemon(rdp=True, **settings, **NO_PENALTIES)
    daemon.add_target(
        *("shadow", "--port", str(shadow_server.port), "--password-stdin"),
        *("--username", shadow_server.username),
        typed=shadow_server.password + "\n",
        protocol="rdp",
    )
    return daemon


@asynccontextmanager
async def target_of(
    daemon: Daemon, folder: Path, host: str = "127.0.0.1", uses: int = 1000
) -> AsyncIterator[tuple[RawTarget, RDPLogin]]:
    """A raw target, and a login that leads to it."""
    target = RawTarget(folder)
    async with target.listening():
        name = f"raw-{target.port}"
        where = ("--host", host, "--port", str(target.port), "--username", "bob")
        how = ("--password-stdin", "--certificate-any", "--no-mask-typed")
        await asyncio.to_thread(
            daemon.add_target, name, *where, *how, typed="Real-S3cret\n", protocol="rdp"
        )
        yield target, await asyncio.to_thread(rdp_login, daemon, name, uses=uses)


async def logged_on(target: RawTarget, login: RDPLogin) -> tuple[RawPeer, RawPeer]:
    """A session's two ends: client and target."""
    client = await raw_client(login.daemon.rdp_port, login.username, login.password)
    return client, await target.met()


def shown(recording: Recording) -> bytes:
    """What the recording says that the client was sent."""
    rows = recording.events("target_data")
    return b"".join(base64.b64decode(row["data_base64"]) for row in rows)


def typed(recording: Recording) -> bytes:
    rows = recording.events("client_data")
    return b"".join(base64.b64decode(row["data_base64"]) for row in rows)


def seen(client: RawPeer) -> bytes:
    """What the client was shown: what came behind the handshake."""
    return bytes(client.came[client.handshake_bytes :])


async def paint(peer: RawPeer, seed: int) -> None:
    """Show noise, as fast as it is taken."""
    noise = random.Random(seed)  # noqa: S311
    while True:
        await peer.send(painted(2000, noise.randbytes(1)), painted(16_000, noise.randbytes(1)))
        await asyncio.sleep(0)


async def until_cut(work: Coroutine[None, None, None]) -> None:
    """Do it for as long as there is a connection."""
    with contextlib.suppress(LegClosedError):
        await work


# --- the daemon


@pytest.mark.parametrize("after_s", [0.05, 0.4, 0.7])
async def test_a_kill_at_any_moment_leaves_every_byte_that_was_shown_or_typed(
    daemon: Daemon, tmp_path: Path, after_s: float
):
    async with target_of(daemon, tmp_path) as (target, login):
        client, peer = await logged_on(target, login)
        async with asyncio.TaskGroup() as tasks:
            for busy in (paint(peer, 7), press(client), client.gone(), peer.gone()):
                tasks.create_task(until_cut(busy))
            await asyncio.sleep(after_s)
            await asyncio.to_thread(daemon.kill9)
    await asyncio.to_thread(daemon.start)
    recording = await asyncio.to_thread(daemon.recorded)
    assert recording.row["state"] == "interrupted"
    assert recording.verify() == 0
    assert len(seen(client)) > 18_000
    assert shown(recording).startswith(seen(client))
    assert peer.came
    assert typed(recording).startswith(bytes(peer.came))


async def press(client: RawPeer) -> None:
    """Keep pressing the key A."""
    while True:
        await client.send(b"\x08\x06\x00\x1e\x01\x1e")
        await asyncio.sleep(0.001)


async def test_a_stop_tells_everybody_and_keeps_what_was_shown(
    daemon: Daemon, shadow_server: Shadow, desk: Display, tmp_path: Path
):
    viewer = (await asyncio.to_thread(rdp_login, daemon, "shadow")).view(desk)
    await asyncio.to_thread(viewer.shows, shadow_server.colour)
    async with target_of(daemon, tmp_path) as (target, login):
        client, peer = await logged_on(target, login)
        await peer.send(painted(9000))
        await client.until(painted(9000))
        assert await asyncio.to_thread(daemon.stop) == 0
        await client.gone()
        await peer.gone()
    assert await asyncio.to_thread(viewer.wait) != 0
    assert "ERRINFO_RPC_INITIATED_DISCONNECT" in viewer.said
    assert slowpath.set_error_info(ErrorInfo.ADMINISTRATOR_DISCONNECT) in client.came
    await asyncio.to_thread(daemon.start)
    recording = await asyncio.to_thread(daemon.recorded)
    assert (recording.row["end_reason"], recording.row["complete"]) == ("engine_stopped", True)
    assert shown(recording) == seen(client)
    assert recording.verify() == 0


# --- time


async def test_who_types_nothing_and_who_stays_too_long_is_told_so(
    make_daemon: MakeDaemon, tmp_path: Path
):
    limits = {"PROXYD_RDP__IDLE_TIMEOUT_S": "2", "PROXYD_RDP__MAX_SESSION_S": "4"}
    daemon = await asyncio.to_thread(lambda: make_daemon(rdp=True, **limits, **NO_PENALTIES))
    async with target_of(daemon, tmp_path) as (target, login):
        quiet, shows_to_quiet = await logged_on(target, login)
        began = time.monotonic()
        busy, _ = await logged_on(target, login)

        async def ends_after_s(client: RawPeer) -> float:
            await client.until(mcs.disconnect())
            client.hang_up()
            return time.monotonic() - began

        async with asyncio.TaskGroup() as tasks:
            # What a target shows is not what a user does.
            tasks.create_task(until_cut(paint_slowly(shows_to_quiet)))
            tasks.create_task(until_cut(press(busy)))
            idle_s, long_s = await ends_after_s(quiet), await ends_after_s(busy)
    assert 1.5 < idle_s < 3.5
    assert 3.5 < long_s < 6
    assert slowpath.set_error_info(ErrorInfo.IDLE_TIMEOUT) in quiet.came
    assert slowpath.set_error_info(ErrorInfo.LOGON_TIMEOUT) in busy.came
    await asyncio.to_thread(daemon.recorded)
    reasons = {row["end_reason"] for row in await asyncio.to_thread(daemon.sessions)}
    assert reasons == {"idle", "too_long"}


async def fill(peer: RawPeer, noise: random.Random) -> None:
    """Show what takes as much of a disk as it is long."""
    while True:
        await peer.send(b"\x00\xbe\x80" + noise.randbytes(0x3E80 - 3))


async def paint_slowly(peer: RawPeer) -> None:
    while True:
        await peer.send(painted(500))
        await asyncio.sleep(0.2)


# --- who may no more


async def test_whose_pair_or_access_is_taken_away_is_out_at_once_and_expiry_ends_nobody(
    daemon: Daemon, tmp_path: Path
):
    async with target_of(daemon, tmp_path) as (target, login):
        secret = f"raw-{target.port}"
        short = await asyncio.to_thread(lambda: rdp_login(daemon, secret, ttl="1s"))
        expires, behind_it = await logged_on(target, short)
        revoked, _ = await logged_on(target, login)
        await ends_by(daemon, revoked, "credential", "revoke", login.id)
        await asyncio.sleep(1)
        await expires.send(b"\x08\x06\x00\x1e\x01\x1e")
        await behind_it.until(b"\x08\x06\x00\x1e\x01\x1e")
        late = await raw_client(daemon.rdp_port, short.username, short.password)
        await late.gone()
        assert slowpath.set_error_info(ErrorInfo.DENIED) in late.came
        await ends_by(daemon, expires, "access", "revoke", "alice", secret)
        rows = await asyncio.to_thread(daemon.sessions)
        ends = [row["end_reason"] for row in rows if row["secret"] == secret]
        assert ends == ["terminated", "terminated"]


async def ends_by(daemon: Daemon, client: RawPeer, *words: str) -> None:
    """An operator's command ends this client's session, and tells it so."""
    await asyncio.to_thread(daemon.cli, *words)
    began = time.monotonic()
    await client.until(mcs.disconnect())
    assert time.monotonic() - began < 2
    assert slowpath.set_error_info(ErrorInfo.ADMINISTRATOR_DISCONNECT) in client.came
    client.hang_up()
    # It is over for the operator, too, once both legs are closed.
    await asyncio.sleep(0.3)


# --- the target, and the network before it


@contextlib.contextmanager
def silent(port: int) -> Iterator[None]:
    """Let nothing pass to and from this port of ours: no answer, no refusal."""
    table = f"proxyd-silent-{os.getpid()}"
    rules = (f"tcp dport {port} drop", f"tcp sport {port} drop")
    nft(
        f"add table inet {table}",
        f"add chain inet {table} out {{ type filter hook output priority 0; }}",
        *(f"add rule inet {table} out {rule}" for rule in rules),
    )
    try:
        yield
    finally:
        nft(f"delete table inet {table}")


def nft(*commands: str) -> None:
    done = run([program("nft"), "; ".join(commands)])
    assert done.status == 0, done.said


async def test_a_target_that_falls_silent_for_ever_is_noticed_and_told(
    daemon: Daemon, tmp_path: Path
):
    async with target_of(daemon, tmp_path) as (target, login):
        client, peer = await logged_on(target, login)
        await peer.send(painted(900))
        await client.until(painted(900))
        with silent(target.port):
            began = time.monotonic()
            await client.until(slowpath.set_error_info(ErrorInfo.TARGET_UNREACHABLE))
            assert time.monotonic() - began < 3 * ALIVE_S + 2
            client.hang_up()
    recording = await asyncio.to_thread(daemon.recorded)
    [last] = recording.events("session_ended")
    assert last["reason"] == "target_left"
    assert str(last["detail"]).startswith(f"the target 127.0.0.1:{target.port} is gone: ")


async def test_a_client_that_vanishes_is_missed_soon_and_comes_back_with_its_used_up_pair(
    daemon: Daemon, tmp_path: Path
):
    async with target_of(daemon, tmp_path, uses=1) as (target, login):
        client, peer = await logged_on(target, login)
        with silent(daemon.rdp_port):
            began = time.monotonic()
            await peer.gone()
            assert time.monotonic() - began < 3 * ALIVE_S + 2
        client.hang_up()
        recording = await asyncio.to_thread(daemon.recorded)
        [last] = recording.events("session_ended")
        assert last["reason"] == "client_left"
        again, peer = await logged_on(target, login)
        await peer.send(painted(900))
        await again.until(painted(900))
        again.hang_up()
        await peer.gone()
    await asyncio.to_thread(daemon.recorded)


# --- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    size = ("-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder))
    mounted = run([program("mount"), *size])
    if mounted.status != 0:
        pytest.fail(f"a tmpfs cannot be mounted: {mounted.said}")
    yield folder
    run([program("umount"), "--lazy", str(folder)])


async def test_a_full_disk_ends_the_desktop_and_what_was_shown_is_recorded(
    make_daemon: MakeDaemon, tmp_path: Path, small_disk: Path
):
    daemon = await asyncio.to_thread(
        lambda: make_daemon(state=small_disk / "state", rdp=True, **NO_PENALTIES)
    )
    async with target_of(daemon, tmp_path) as (target, login):
        client, peer = await logged_on(target, login)
        noise = random.Random(9)  # noqa: S311
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.gone())
            tasks.create_task(until_cut(fill(peer, noise)))
        assert slowpath.set_error_info(ErrorInfo.DENIED) in client.came
        refused = await raw_client(daemon.rdp_port, login.username, login.password)
        await refused.gone()
        assert slowpath.set_error_info(ErrorInfo.DENIED) in refused.came
    assert "recording.lost" in daemon.log.read_text()
    run([program("mount"), "-o", "remount,size=400m", str(small_disk)])
    recording = Recording(daemon, await asyncio.to_thread(longest, daemon))
    assert (recording.row["end_reason"], recording.row["complete"]) == ("recording_lost", True)
    farewell = mcs.send_indication(
        slowpath.SERVER_USER, 1003, slowpath.set_error_info(ErrorInfo.DENIED)
    )
    before_its_end = seen(client).partition(farewell)[0]
    assert len(before_its_end) > MIB
    assert shown(recording).startswith(before_its_end)


def longest(daemon: Daemon) -> Json:
    """The session with most chunks, once all of them are stored."""
    rows: list[Json] = []

    def stored() -> bool:
        rows[:] = sorted(daemon.sessions(), key=lambda row: int(row["chunks"]))
        return bool(rows[-1]["complete"])

    wait_until(stored, "what was recorded is not stored", seconds=60, every=0.5)
    return rows[-1]
