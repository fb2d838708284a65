import asyncio
import os

import pytest

from proxyd import demo_targets
from proxyd.service import StartError


def ended(child: asyncio.subprocess.Process) -> None:
    assert child.returncode is not None
    assert not os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110 - the kernel's


async def test_the_shell_says_where_it_is_and_ends_with_the_demo():
    async with asyncio.timeout(30), demo_targets.ssh_target() as target:
        place = await target.place()
        assert place.host == "127.0.0.1"
        assert place.host_key.startswith("ssh-ed25519 ")
        reader, writer = await asyncio.open_connection(place.host, place.port)
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        writer.close()
    ended(target.child)


async def test_the_desktop_says_where_it_is_and_ends_with_the_demo():
    async with asyncio.timeout(30), demo_targets.desktop_target() as target:
        place = await target.place()
        assert place.host == "127.0.0.1"
        assert len(bytes.fromhex(place.certificate)) == 32
        _, writer = await asyncio.open_connection(place.host, place.port)
        writer.close()
    ended(target.child)


async def test_a_target_that_does_not_start_is_named():
    silent = demo_targets.demo_target("this", "odd target", demo_targets.SSHTarget)
    async with asyncio.timeout(30), silent as target:
        with pytest.raises(StartError, match="the odd target did not start"):
            await target.place()


async def test_a_target_that_ends_ends_the_demo_and_is_named():
    async with asyncio.timeout(30), demo_targets.ssh_target() as target:
        await target.place()
        target.child.kill()
        with pytest.raises(StartError, match="the demo target ended"):
            await target.watch()
