"""What xfreerdp showed, sent and copied through proxyd is what the recording says."""

import base64
import contextlib
import datetime as dt
import io
import statistics
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import Shadow, rdp_login
from peers.needed import wait_until
from peers.pictures import rgb_of, settled
from peers.recording import Recording
from peers.stopwatch import Screen
from peers.xrdp import XRDP

from recorder.clock import SystemClock
from recorder.replay.rdp.input import Key, fast_path_input
from recorder.replay.rdp.pdus import FastPathPdu, pdus

pytestmark = [pytest.mark.peers, pytest.mark.timeout(150)]
DESKTOP = bytes.fromhex("204060")
TEXT = 'echo "Az{}|~" \\$HOME ^_^?'
SMALLER = (800, 600)
KEY_A = Key(0x1E)
LIVE_S = 2
COPIED = "hier-żółw-漢字-" * 250


@dataclass(frozen=True)
class Session:
    """A session that is over, and what its user did and saw."""

    daemon: Daemon
    recording: Recording
    mark: str
    typed_at: tuple[dt.datetime, dt.datetime]
    """When its first line was begun and done."""
    keys_at: list[dt.datetime]
    """When the key A was pressed, the last times."""
    screenshot: bytes
    """RGB of the client's whole display, just before the end."""


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, xrdp_server: XRDP, shadow_server: Shadow) -> Daemon:
    daemon = make_daemon(rdp=True)
    account = xrdp_server.account
    for name, port, user, password, *more in (
        ("xrdp", xrdp_server.port, account.name, account.password),
        ("wide", xrdp_server.port, account.name, account.password, "--channels", "dynamic"),
        ("shadow", shadow_server.port, shadow_server.username, shadow_server.password),
    ):
        target = (name, "--port", str(port), "--username", user, "--password-stdin", *more)
        daemon.add_target(*target, typed=password + "\n", protocol="rdp")
    return daemon


@pytest.fixture(scope="module")
def session(daemon: Daemon, xrdp_server: XRDP, desk: Display) -> Session:
    account = xrdp_server.account
    mark = f"m{uuid.uuid4().hex[:10]}"
    viewer = rdp_login(daemon, "xrdp").view(desk, "+clipboard")
    try:
        viewer.shows(DESKTOP, seconds=45)
        click_terminal(desk)
        began_at = dt.datetime.now(dt.UTC)
        desk.type(f"{TEXT} {mark}")
        typed_at = (began_at, dt.datetime.now(dt.UTC))
        desk.press("Left", "End", "BackSpace", "x", "Return")
        done = account.home / f"pasted-{mark}"
        # Where the clipboard has not crossed yet, xclip may wait for it in vain.
        paste = f"timeout 2 xclip -sel clip -o >{done} && grep {mark} {done}"
        desk.type(f"until {paste}; do sleep 1; done")
        desk.press("Return")
        paste_into(done, desk, COPIED + mark)
        keys_at = pressed(desk)
        # Whoever is given this desktop next finds an empty line.
        desk.press("ctrl+c")
        screenshot = settled(desk)
    finally:
        viewer.close()
    return Session(daemon, daemon.recorded(), mark, typed_at, keys_at, screenshot)


def pressed(desk: Display) -> list[dt.datetime]:
    """Press the key A some times; return when."""
    screen, times = Screen(desk.name), []
    for _ in range(9):
        times.append(dt.datetime.now(dt.UTC))
        screen.press("a")
        time.sleep(0.1)
    return times


def paste_into(path: Path, display: Display, text: str) -> None:
    """Copy a text until it has come to where the target pastes it.

    xrdp forgets an offer that comes while it still answers the one before.
    """
    end = time.monotonic() + 40
    while not (path.exists() and path.read_text() == text):
        assert time.monotonic() < end, "nothing was pasted"
        display.copy(text)
        time.sleep(4)


def click_terminal(display: Display) -> None:
    """Give the terminal the keyboard, once its window manager has it."""
    settled(display)
    display.xdotool("mousemove", "300", "200", "click", "1")


def test_the_last_picture_is_the_clients_to_the_pixel(session: Session) -> None:
    assert rgb_of(session.recording) == session.screenshot


def test_so_it_is_with_a_target_that_demands_nla(daemon: Daemon, desk: Display) -> None:
    viewer = rdp_login(daemon, "shadow").view(desk, "/sec:nla")
    try:
        viewer.shows(bytes.fromhex("402020"))
        click_terminal(desk)
        desk.type("seq 50")
        desk.press("Return")
        screenshot = settled(desk)
    finally:
        viewer.close()
    assert rgb_of(daemon.recorded()) == screenshot


def test_so_it_is_after_the_desktop_took_another_size(
    daemon: Daemon, xrdp_server: XRDP, desk: Display
) -> None:
    viewer = rdp_login(daemon, "wide").view(desk, "/dynamic-resolution")
    try:
        viewer.shows(DESKTOP, seconds=45)
        done = xrdp_server.account.home / "smaller"
        click_terminal(desk)
        desk.type(f"until xdpyinfo | grep -w 800x600; do sleep 1; done; echo >{done}")
        desk.press("Return")
        window = desk.xdotool("search", "--class", "xfreerdp").stdout.decode().split()[-1]
        desk.xdotool("windowsize", window, *map(str, SMALLER))
        wait_until(done.exists, "the target has the old size", seconds=20)
        screenshot = settled(desk)
    finally:
        viewer.close()
    shown = rgb_of(daemon.recorded())
    assert len(shown) == SMALLER[0] * SMALLER[1] * 3
    assert shown == parts(screenshot)


def test_who_watches_it_live_sees_it_within_two_seconds_and_to_the_pixel(
    daemon: Daemon, desk: Display, tmp_path: Path
) -> None:
    viewer = rdp_login(daemon, "shadow").view(desk)
    newest = tmp_path / "newest.png"
    try:
        viewer.shows(bytes.fromhex("402020"))
        desk.xdotool("mousemove", "1000", "700")
        before = settled(desk)
        argv = [*daemon.argv, "session", "watch", daemon.live().id, "--out", str(newest)]
        begun = time.monotonic()
        subprocess.run([*daemon.argv, "session", "list"], check=True, capture_output=True)
        # The command line is a Python that starts, and what makes pictures is another.
        limit_s = LIVE_S + 2 * (time.monotonic() - begun)
        with started(argv) as watching:
            wait_until(newest.exists, "no picture comes", seconds=limit_s, every=0.02)
            assert rgb_in(newest) == before
            desk.xdotool("mousemove", "300", "200", "click", "1")
            desk.type("seq 40")
            desk.press("Return")
            changed_at = SystemClock().now().timestamp()
            screenshot = settled(desk)
            wait_until(lambda: rgb_in(newest) == screenshot, "it shows something else")
            # From the key on, with what the target needed to draw on this machine just now.
            assert newest.stat().st_mtime - changed_at < limit_s
            viewer.close()
            assert watching.wait(10) == 0
    finally:
        viewer.close()
    daemon.recorded()


@contextlib.contextmanager
def started(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def rgb_in(path: Path) -> bytes:
    """Return a PNG's pixels as a screenshot is."""
    with av.open(str(path)) as file:
        [frame] = file.decode(video=0)
    return bytes(frame.reformat(format="rgb24").planes[0])


def parts(screenshot: bytes) -> bytes:
    """Return the upper left of a screen of 1024 by 768."""
    width, height = SMALLER
    rows = [screenshot[row * 1024 * 3 :][: width * 3] for row in range(height)]
    return b"".join(rows)


def test_what_was_typed_is_found_at_the_time_it_was_typed(session: Session) -> None:
    [hit] = found(session, f"{TEXT} {session.mark}", "input")
    assert hit["text"] == f"{TEXT} {session.mark}[Left][End][Backspace]x"
    at = began_at(session.recording) + dt.timedelta(milliseconds=int(str(hit["at_ms"])))
    # xdotool, the X server and xfreerdp take their time, too.
    slack, (begun_at, done_at) = dt.timedelta(seconds=0.5), session.typed_at
    assert begun_at - slack < at < done_at + slack


def test_keys_have_their_time_within_a_tenth_of_a_second(session: Session) -> None:
    began = began_at(session.recording)
    recorded = [
        began + dt.timedelta(milliseconds=event["at_ms"])
        for event in session.recording.events("client_data")
        for pdu in pdus(base64.b64decode(event["data_base64"]))
        if isinstance(pdu, FastPathPdu) and KEY_A in fast_path_input(pdu)
    ]
    late = [
        recorded_at - at for recorded_at, at in zip(recorded[-9:], session.keys_at, strict=True)
    ]
    # Most of them may meet moments at which the machine does something else.
    assert dt.timedelta() <= statistics.median(late)
    assert min(late) <= dt.timedelta(seconds=0.1)


def began_at(recording: Recording) -> dt.datetime:
    [started] = recording.events("session_started")
    return dt.datetime.fromisoformat(started["info"]["started_at"])


def test_what_was_copied_is_found(session: Session) -> None:
    [*_, hit] = found(session, session.mark, "clipboard")
    assert str(hit["text"]).startswith("to target: ")


def found(session: Session, text: str, place: str) -> list[dict[str, object]]:
    def hits() -> list[dict[str, object]]:
        all_hits = session.daemon.json("session", "search", text, "--in", place)
        return [hit for hit in all_hits if hit["session"] == session.recording.id]

    wait_until(hits, f"{text} is not in the index", every=0.5)
    return hits()


def test_the_video_is_as_long_as_the_session(session: Session) -> None:
    [ended] = session.recording.events("session_ended")
    with av.open(io.BytesIO(session.recording.export("video"))) as film:
        assert film.streams.video[0].codec_context.name == "vp9"
        assert abs((film.duration or 0) / 1000 - ended["at_ms"]) <= 1000
        *_, last = film.decode(video=0)
    assert (last.width, last.height) == (1024, 768)


def test_its_input_is_what_was_typed_and_its_bundle_holds_its_video(
    session: Session, tmp_path: Path
) -> None:
    assert f"{TEXT} {session.mark}" in session.recording.export("input").decode()
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(session.recording.export("bundle"))
    assert b"session.mp4" in bundle.read_bytes()
    assert session.daemon.cli("session", "verify", str(bundle), check=False).status == 0
