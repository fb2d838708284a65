"""The words of mstsc to real servers, and those of Windows to a real client, through proxyd."""

import asyncio
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.display import Display
from peers.freerdp import rdp_login
from peers.needed import wait_until
from peers.windows import Mstsc, WindowsTarget
from samples import windows

pytestmark = pytest.mark.peers
PICTURE_BYTES = 2000


@pytest.mark.parametrize("name", ["xrdp", "shadow"])
async def test_a_real_server_takes_what_mstsc_says_and_shows_its_desktop(
    desktops: Daemon, name: str
) -> None:
    login = await asyncio.to_thread(rdp_login, desktops, name)
    async with Mstsc.logged_in(login) as mstsc:
        await mstsc.is_shown(PICTURE_BYTES)
        mstsc.press()
        for said in ("input", "suppress output", "suppress no output", "refresh"):
            mstsc.say(windows.CLIENT_PDUS[said])
        mstsc.say(windows.FLOW)
        # It is still there, and answers.
        mstsc.say(windows.CLIENT_PDUS["refresh"])
        await mstsc.is_shown(mstsc.shown_bytes + 1000)
    recording = await asyncio.to_thread(desktops.recorded)
    assert recording.verify() == 0
    [started] = recording.events("desktop_started")
    assert (started["width_px"], started["height_px"]) == (1920, 1080)
    assert [one for _, one in started["static_channels"]] == ["cliprdr"]


@pytest.mark.parametrize("name", ["xrdp", "shadow"])
async def test_a_real_server_shows_its_desktop_to_who_is_let_have_no_channel(
    desktops: Daemon, name: str
) -> None:
    edit = ("secret", "edit", name, "--channels")
    await asyncio.to_thread(desktops.cli, *edit, "")
    try:
        login = await asyncio.to_thread(rdp_login, desktops, name)
        async with Mstsc.logged_in(login) as mstsc:
            await mstsc.is_shown(PICTURE_BYTES)
    finally:
        await asyncio.to_thread(desktops.cli, *edit, "clipboard")
    recording = await asyncio.to_thread(desktops.recorded)
    [started] = recording.events("desktop_started")
    assert started["static_channels"] == []


async def test_a_real_client_shows_what_windows_says(
    desktops: Daemon, desk: Display, tmp_path: Path
) -> None:
    target = WindowsTarget(tmp_path, "windows", windows.VALID_CLIENT)
    async with target.listening("127.0.0.1") as port:
        where = ("--port", str(port), "--username", "administrator", "--password-stdin")
        await asyncio.to_thread(
            desktops.add_target, "windows", *where, typed="Real-S3cret\n", protocol="rdp"
        )
        login = await asyncio.to_thread(rdp_login, desktops, "windows")
        viewer = login.view(desk, "/sec:nla", "/rfx", "/gfx", "/network:auto", "+async-input")

        def sees_tiles() -> bool:
            assert viewer.process.poll() is None, viewer.said[-3000:]
            return desk.screenshot().count(bytes.fromhex("a04020")) >= 8 * 64 * 64

        try:
            await asyncio.to_thread(wait_until, sees_tiles, "the picture is not shown")
        finally:
            await asyncio.to_thread(viewer.close)
    recording = await asyncio.to_thread(desktops.recorded)
    assert recording.verify() == 0
    assert recording.row["end_reason"] == "client_left"
