"""What a desktop's recording holds, and lacks, in each mode in which a secret is recorded."""

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import rdp_login, work
from peers.needed import wait_until
from peers.recording import Recording
from peers.two_desktops import XRDP_DESKTOP, crossed, holds
from peers.xrdp import XRDP

pytestmark = [pytest.mark.peers, pytest.mark.timeout(150)]
MODES = ("everything", "keystrokes", "video", "nothing")
TYPED, TO_TARGET, FROM_TARGET = "typed-words", "to-target-żółw", "from-target-äöü"


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, xrdp_server: XRDP) -> Daemon:
    daemon, account = make_daemon(rdp=True), xrdp_server.account
    for mode in MODES:
        target = ("--port", str(xrdp_server.port), "--username", account.name)
        words = (mode, *target, "--password-stdin", "--record", mode)
        daemon.add_target(*words, typed=account.password + "\n", protocol="rdp")
    return daemon


@pytest.fixture(scope="module", params=MODES)
def recording(
    request: pytest.FixtureRequest, daemon: Daemon, xrdp_server: XRDP, desk: Display
) -> Recording:
    """A session in which text was typed and crossed the clipboard both ways."""
    home = xrdp_server.account.home
    source, pasted = xrdp_server.write("source", FROM_TARGET), home / "pasted"
    viewer = rdp_login(daemon, request.param).view(desk, "+clipboard")
    try:
        done = home / f"typed-in-{request.param}"
        command = f"echo {TYPED}; xclip -sel clip <{source}; echo >{done}"
        work(viewer, XRDP_DESKTOP, command, done)
        wait_until(lambda: desk.clipboard() == FROM_TARGET, "nothing was copied", every=0.3)
        desk.copy(TO_TARGET)
        done = home / f"pasted-in-{request.param}"
        paste = f"until xclip -sel clip -o | tee {pasted} | grep to-; do sleep 0.2; done; "
        work(viewer, XRDP_DESKTOP, f"{paste} echo >{done}", done)
        assert pasted.read_text() == TO_TARGET
    finally:
        viewer.close()
    recording = daemon.recorded()
    daemon.indexed()
    return recording


def mode_of(recording: Recording) -> str:
    return str(recording.row["secret"])


def indexed(recording: Recording, kind: str) -> str:
    """Everything of one kind that is found of it."""
    rows = recording.daemon.json("session", "search", "t", "--in", kind, "--limit", "200")
    return "\n".join(row["text"] for row in rows if row["session"] == recording.id)


def test_keys_and_pictures_are_there_as_its_mode_says_and_nowhere_else(
    recording: Recording,
) -> None:
    mode, kept = mode_of(recording), crossed(recording)
    has_keys, has_pictures = mode in MODES[:2], mode in ("everything", "video")
    assert ("client_data" in kept, "target_data" in kept) == (has_keys, has_pictures)
    data = b"".join(kept.values())
    assert (holds(data, TO_TARGET), holds(data, FROM_TARGET)) == (has_keys, has_pictures)
    assert (TYPED in recording.export("input").decode()) == has_keys
    assert recording.verify() == 0


def test_what_is_recorded_is_found_and_nothing_strange_is_said(recording: Recording) -> None:
    mode = mode_of(recording)
    has_keys, has_pictures = mode in MODES[:2], mode in ("everything", "video")
    assert (TYPED in indexed(recording, "input")) == has_keys
    copied = indexed(recording, "clipboard")
    assert (f"to target: {TO_TARGET}" in copied) == has_keys
    assert (f"from target: {FROM_TARGET}" in copied) == has_pictures
    assert indexed(recording, "output") == ""


def test_it_has_a_video_only_where_it_has_pictures(recording: Recording) -> None:
    done = recording.daemon.cli(
        *("session", "export", recording.id, "--format", "video", "--out", "/dev/null"),
        check=False,
    )
    has_pictures = mode_of(recording) in ("everything", "video")
    assert done.status == (0 if has_pictures else 3)
    assert ("has no picture" in done.said) != has_pictures
