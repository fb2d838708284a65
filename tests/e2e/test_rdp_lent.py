"""What clients lend to a target that asks for all there is: drives, printers, channels."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import RDPLogin, rdp_login
from peers.lending import DEVICES, DYNAMIC, Borrower, LendingTarget
from peers.needed import program, wait_until
from peers.newer import usual
from peers.rdesktop import RDesktop
from peers.userland import stop
from samples import devices
from samples.devices import WRITE_DATA, numbers

from protocols.rdp.wire.devices import (
    ANSWER_BYTES,
    DeviceKind,
    Kind,
    Major,
    Status,
    read_answer,
    read_completion,
)

pytestmark = pytest.mark.peers
TEXT = "Grüße aus der Ferne\n".encode() * 700
PIECE = 4096
DISPLAY = b"Microsoft::Windows::RDS::DisplayControl"
GRAPHICS = b"Microsoft::Windows::RDS::Graphics"
PLUGGED_IN = 'mount --make-rprivate / && mount --bind "$0" /media && exec "$@"'
"""FreeRDP offers what is mounted there, where it is told to offer every drive."""
SETTINGS = "CachedPrinterConfigData"
"""What FreeRDP calls its file of them."""
CREATE, CREATED, NOT_CREATED = 2, numbers(0), numbers(0x80070005)


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    """A daemon whose secrets the tests add: each is for a target of its own."""
    return make_daemon(rdp=True)


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[tuple[LendingTarget, int]]:
    target = LendingTarget(tmp_path, "lending")
    async with target.listening("127.0.0.1") as port:
        yield target, port


async def login(daemon: Daemon, name: str, port: int, channels: str) -> RDPLogin:
    words = ("--username", "alice", "--password-stdin", "--certificate-any")
    where = (name, "--port", str(port), *words, "--channels", channels)
    await asyncio.to_thread(daemon.add_target, *where, typed="Real-S3cret\n", protocol="rdp")
    return await asyncio.to_thread(rdp_login, daemon, name)


async def opened(lent: Borrower, path: str, completion: int, **how: int) -> int:
    """Open a file; return its number."""
    answer = await lent.ask(devices.create(path, completion, **how))
    assert read_completion(answer).status == Status.OK
    return read_answer(answer)


async def closed(lent: Borrower, file: int, on: int) -> None:
    answer = await lent.ask(devices.asked(Major.CLOSE, 90, bytes(32), file=file, on=on))
    assert read_completion(answer).status == Status.OK


async def taken(lent: Borrower, path: str, on: int) -> bytes:
    file, data = await opened(lent, path, 1, on=on), b""
    while True:
        span = devices.span(PIECE, len(data))
        answer = await lent.ask(devices.asked(Major.READ, 2, span, file=file, on=on))
        if not read_answer(answer):
            break
        data += answer[ANSWER_BYTES:]
    await closed(lent, file, on)
    return data


async def put(lent: Borrower, path: str, data: bytes, on: int, disposition: int) -> None:
    how = {"access": WRITE_DATA, "disposition": disposition}
    file = await opened(lent, path, 3, on=on, **how)
    for offset in range(0, len(data), PIECE):
        part = data[offset : offset + PIECE]
        span = devices.span(len(part), offset)
        answer = await lent.ask(devices.asked(Major.WRITE, 4, span + part, file=file, on=on))
        assert read_answer(answer) == len(part)
    await closed(lent, file, on)


async def test_files_of_freerdp_cross_with_their_names_and_digests(
    daemon: Daemon, desk: Display, target: tuple[LendingTarget, int], tmp_path: Path
) -> None:
    (tmp_path / "grüße.txt").write_bytes(TEXT)
    user = await login(daemon, "files", target[1], "drives")
    viewer = user.view(desk, f"/drive:lent,{tmp_path}", "/smartcard", "/printer:laser")
    try:
        lent = await target[0].borrower()
        [drive] = await lent.lent()
        assert (drive.kind, drive.name) == (DeviceKind.DRIVE, "lent")
        assert await taken(lent, "\\grüße.txt", drive.number) == TEXT
        await put(lent, "\\neu.txt", TEXT[::-1], drive.number, CREATE)
        control = devices.asked(Major.CONTROL, 5, bytes(32), file=1, on=drive.number)
        assert read_completion(await lent.ask(control)).status == Status.INVALID_DEVICE_REQUEST
    finally:
        viewer.close()
    assert (tmp_path / "neu.txt").read_bytes() == TEXT[::-1]
    recording = await asyncio.to_thread(daemon.recorded)
    touched = [
        (row["operation"], row["path"], row["size_bytes"], row["sha256"], row["outcome"])
        for row in recording.events("file_touched")
    ]
    there, back = (hashlib.sha256(data).hexdigest() for data in (TEXT, TEXT[::-1]))
    assert touched == [
        ("upload", "\\\\tsclient\\lent\\grüße.txt", len(TEXT), there, "ok"),
        ("download", "\\\\tsclient\\lent\\neu.txt", len(TEXT), back, "ok"),
    ]
    refused = {row["detail"] for row in recording.events("channel_refused")}
    assert {"smart card SCARD", "printer laser"} <= refused
    assert "a request that is not recorded" in refused


async def test_an_issued_file_offers_the_drives_that_its_secret_lets_through(
    daemon: Daemon, desk: Display, target: tuple[LendingTarget, int], tmp_path: Path
) -> None:
    share, file = tmp_path / "stick", tmp_path / "issued.rdp"
    share.mkdir()
    (share / "plan.txt").write_bytes(TEXT)
    await login(daemon, "by-file", target[1], "drives")
    words = ("credential", "issue", "by-file", "--user", "alice", "--rdp-file", str(file))
    issued = await asyncio.to_thread(daemon.json, *words)
    assert issued["channels"] == ["drives"]
    assert issued["commands"]["xfreerdp"].endswith("/drive:NAME,FOLDER")
    viewing = (
        *usual("xfreerdp", "xfreerdp3"),
        str(file),
        f"/p:{issued['password']}",
        "/cert:ignore",
    )
    apart = (program("unshare"), "--mount", "sh", "-c", PLUGGED_IN, str(share))
    process = desk.start([*apart, *viewing], tmp_path / "viewer.log")
    try:
        lent = await target[0].borrower()
        [drive] = await lent.lent()
        assert await taken(lent, "\\plan.txt", drive.number) == TEXT
        await put(lent, "\\back.txt", TEXT[::-1], drive.number, CREATE)
    finally:
        stop(process)
    assert (share / "back.txt").read_bytes() == TEXT[::-1]
    recording = await asyncio.to_thread(daemon.recorded)
    touched = [(row["operation"], row["outcome"]) for row in recording.events("file_touched")]
    assert touched == [("upload", "ok"), ("download", "ok")]


async def test_what_is_printed_is_recorded(
    daemon: Daemon, desk: Display, target: tuple[LendingTarget, int], tmp_path: Path
) -> None:
    user = await login(daemon, "prints", target[1], "printers")
    words = ("-r", "printer:laser", "-r", f"disk:lent={tmp_path}")
    viewer, printed = RDesktop(desk, user, *words), desk.folder / "printed"
    try:
        lent = await target[0].borrower()
        [printer] = await lent.lent()
        assert (printer.kind, printer.name) == (DeviceKind.PRINTER, "laser")
        await put(lent, "", TEXT, printer.number, 1)
        await asyncio.to_thread(
            wait_until,
            lambda: printed.exists() and printed.read_bytes() == TEXT,
            "nothing was printed",
        )
        lent.say(DEVICES, devices.create("\\a", 7, on=printer.number + 1))
        completion = read_completion(await lent.until(Kind.COMPLETION))
        assert completion.status == Status.NO_SUCH_DEVICE
    finally:
        viewer.close()
    recording = await asyncio.to_thread(daemon.recorded)
    [row] = recording.events("file_touched")
    assert (row["operation"], row["path"], row["outcome"]) == ("print", "laser", "ok")
    assert row["sha256"] == hashlib.sha256(TEXT).hexdigest()
    assert "drive lent" in {row["detail"] for row in recording.events("channel_refused")}


async def test_freerdp_keeps_the_settings_of_a_printer_that_it_lent(
    daemon: Daemon, desk: Display, target: tuple[LendingTarget, int]
) -> None:
    user = await login(daemon, "settings", target[1], "printers")
    viewer, kept = user.view(desk, "/printer:laser"), desk.folder / ".config/freerdp/printers"
    try:
        lent = await target[0].borrower()
        [printer] = await lent.lent()
        assert (printer.kind, printer.name) == (DeviceKind.PRINTER, "laser")
        for name in ("other", "laser"):
            lent.say(DEVICES, devices.settings_updated(name, TEXT))
        await asyncio.to_thread(
            wait_until, lambda: any(kept.rglob(SETTINGS)), "no settings were kept"
        )
    finally:
        viewer.close()
    recording = await asyncio.to_thread(daemon.recorded)
    [row] = recording.events("file_touched")
    assert (row["operation"], row["path"], row["outcome"]) == ("setstat", "laser", "ok")
    assert (row["size_bytes"], row["sha256"]) == (len(TEXT), hashlib.sha256(TEXT).hexdigest())
    refused = {row["detail"] for row in recording.events("channel_refused")}
    assert "settings of other, a printer that is not there" in refused
    assert [path.name for path in kept.iterdir()] == [named("laser")]


def named(printer: str) -> str:
    """What FreeRDP calls its folder for a printer's settings."""
    return base64.b64encode(devices.wide(printer)).decode()


async def create_answer(lent: Borrower, number: int, name: bytes) -> bytes:
    """Ask for a dynamic channel; return what the client, or the proxy for it, says."""
    head = bytes([0x10, number])
    lent.say(DYNAMIC, head + name + b"\0")
    answer = await lent.heard(DYNAMIC)
    assert answer[:2] == head
    return answer[2:]


async def test_only_dynamic_channels_on_the_list_are_opened(
    daemon: Daemon, desk: Display, target: tuple[LendingTarget, int]
) -> None:
    user = await login(daemon, "dynamic", target[1], "dynamic,microphone")
    viewer = user.view(desk, "/dynamic-resolution", "/gfx", "/sound", "/microphone")
    try:
        lent = await target[0].borrower()
        assert lent.channels.keys() == {DYNAMIC}
        lent.say(DYNAMIC, b"\x50\0\3\0" + bytes(8))
        assert await lent.heard(DYNAMIC) == b"\x50\0\2\0"
        assert await create_answer(lent, 1, DISPLAY) == CREATED
        for number, name in enumerate((GRAPHICS, b"AUDIO_PLAYBACK_DVC"), 2):
            assert await create_answer(lent, number, name) == NOT_CREATED
        # Whether there is a microphone is the client's to say.
        assert await create_answer(lent, 4, b"AUDIO_INPUT") != NOT_CREATED
    finally:
        viewer.close()
    recording = await asyncio.to_thread(daemon.recorded)
    refused = {row["detail"] for row in recording.events("channel_refused")}
    assert {GRAPHICS.decode(), "AUDIO_PLAYBACK_DVC"} <= refused
    granted = [(row["request"], row["detail"]) for row in recording.events("forward_granted")]
    names = (DISPLAY.decode(), "AUDIO_INPUT")
    assert granted == [("dynamic channel", name) for name in names]
