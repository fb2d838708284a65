import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from peers.light_rdp import connected, log_on
from samples.letters import lines_of
from samples.rdp import active, share

from protocols.errors import CredentialRefusedError, TargetUnreachableError
from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.certificates import fingerprint
from protocols.rdp.demo_desktop import MAX_CONNECTIONS, DemoDesktop, make_certificate
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.wire import mcs, slowpath, x224
from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import PureDecoder
from recorder.replay.rdp.pdus import ChannelPdu, pdus
from recorder.replay.rdp.screen import Screen

PASSWORD = "demo-S3cret"
CERTIFICATE = make_certificate()
USER = IO_CHANNEL + 1


@contextlib.asynccontextmanager
async def desktop(**limits: float) -> AsyncIterator[int]:
    """Its port; it is gone when this is left."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    demo = DemoDesktop(PASSWORD, CERTIFICATE, **limits)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(demo.serve(listening))
        yield await listening
        serving.cancel()
    # Connections close in a later turn of the loop, on both sides.
    await asyncio.sleep(0.05)


def said(kind: int, body: bytes) -> bytes:
    head = bytes(8) + bytes([kind, 0, 0, 0])
    return mcs.send_request(USER, IO_CHANNEL, share(slowpath.Share.DATA, head + body))


async def gone(leg: Leg) -> None:
    """Wait until the desktop hung up."""
    with contextlib.suppress(LegClosedError):
        while True:
            await leg.read()


async def test_whoever_knows_the_password_sees_the_page_and_types_on_it():
    async with desktop() as port:
        leg = await connected(port)
        await log_on(leg, "Demo", PASSWORD)
        assert fingerprint(leg.certificate) == fingerprint(CERTIFICATE.der)
        leg.write(mcs.send_request(USER, IO_CHANNEL, active([], confirm=True)))
        leg.write(said(39, bytes(8)) + b"\x08\x06\x00\x1e\x01\x1e")
        data, lines = b"", []
        while "  a" not in lines:
            data += await leg.read()
            lines = shown(data)
        assert " proxyd demo desktop" in lines
        leg.write(mcs.disconnect())
        await gone(leg)


def shown(data: bytes) -> list[str]:
    """What the page says, as far as it has come."""
    screen = Screen(PureDecoder())
    with contextlib.suppress(MalformedPduError):
        for pdu in pdus(data):
            if isinstance(pdu, ChannelPdu):
                screen.io_channel(pdu.body)
    if screen.framebuffer is None:
        return []
    return lines_of(bytes(screen.framebuffer.pixels), screen.framebuffer.width_px)


@pytest.mark.parametrize(("name", "password"), [("demo", "guess"), ("root", PASSWORD)])
async def test_nobody_else_gets_in(name, password):
    async with desktop() as port:
        leg = await connected(port)
        with pytest.raises(CredentialRefusedError):
            await log_on(leg, name, password)
        leg.abort()


async def test_without_nla_there_is_no_way_in():
    async with desktop() as port:
        leg = await connected(port)
        leg.write(x224.ConnectionRequest(protocols=x224.Security.TLS).write())
        answer = x224.read_answer(await leg.read())
        assert answer == x224.ConnectionRefusal(x224.FailureCode.NLA_REQUIRED)
        await gone(leg)


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n\r\n", b"\x03\x00\xff\xff", bytes(64)])
async def test_garbage_is_hung_up_on_and_others_are_served(words):
    async with desktop(login_s=0.3) as port:
        leg = await connected(port)
        leg.write(words)
        await gone(leg)
    async with desktop() as port:
        leg = await connected(port)
        await log_on(leg, "demo", PASSWORD)
        leg.abort()


async def test_a_client_that_says_nothing_is_not_waited_for():
    async with desktop(login_s=0.1) as port:
        await gone(await connected(port))


async def test_a_client_that_logs_on_and_asks_for_no_picture_is_not_waited_for():
    async with desktop(login_s=0.5) as port:
        leg = await connected(port)
        # On a busy machine it may not even come so far.
        with contextlib.suppress(LegClosedError):
            await log_on(leg, "demo", PASSWORD)
        await gone(leg)


async def test_only_so_many_are_served_and_who_leaves_makes_room():
    async with desktop() as port:
        legs = [await connected(port) for _ in range(MAX_CONNECTIONS)]
        await gone(await connected(port))
        legs[0].abort()
        while True:
            leg = await connected(port)
            try:
                await log_on(leg, "demo", PASSWORD)
            except (LegClosedError, TargetUnreachableError):
                continue
            break


def test_it_says_where_it_is_and_does_not_outlive_its_parent():
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'protocols.rdp.demo_desktop'],\n"
        "                         stdout=subprocess.PIPE)\n"
        "print(child.pid, child.stdout.readline().decode(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        pid, _, place = parent.stdout.readline().decode().partition(" ")
        parent.send_signal(signal.SIGKILL)
    assert set(json.loads(place)) == {"host", "port", "username", "password", "certificate"}
    assert gone_soon(int(pid))


def gone_soon(pid: int) -> bool:
    """Say whether a process ends, by what the kernel says of it."""
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([ended], [], [], 10)[0])
    finally:
        os.close(ended)
