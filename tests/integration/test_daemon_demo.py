"""`proxyd demo`: one command, a real session, and nothing left behind.

The tests go in the order of a demo's life; the last ones end it and begin it anew.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers.display import Display
from peers.freerdp import Viewer
from peers.needed import ROOT, environment, program, wait_until
from peers.output import Output, run
from peers.pictures import rgb_of
from peers.recording import Recording
from samples.letters import lines_of

pytestmark = pytest.mark.peers


class RunningDemo:
    """`proxyd demo --json` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.argv = [sys.executable, "-m", "proxyd"]
        self.env = environment(PYTHONPATH=str(ROOT))
        self.process = subprocess.Popen(
            [*self.argv, "demo", "--json"],
            cwd=folder,
            env=self.env,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.said: dict[str, Any] = json.loads(self.process.stdout.readline())

    def ssh(self, command: str) -> Output:
        login, ask = self.said["ssh"], self.folder / "ask"
        ask.write_text(f"#!/bin/sh\necho {login['password']}\n")
        ask.chmod(0o700)
        scan = [program("ssh-keyscan"), "-t", "ed25519", "-p", str(login["port"]), "127.0.0.1"]
        (self.folder / "known").write_bytes(run(scan).stdout)
        words = ("-F", "none", "-o", f"UserKnownHostsFile={self.folder}/known")
        place = ("-p", str(login["port"]), f"{login['username']}@{login['host']}")
        askpass = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        return run([program("ssh"), *words, *place, command], env=askpass)

    def cli(self, *words: str) -> Output:
        argv = [*self.argv, "--config", self.said["config"], *words]
        return run(argv, env={"PYTHONPATH": str(ROOT)}, cwd=self.folder)

    def view(self, display: Display) -> Viewer:
        login = self.said["rdp"]
        words = (f"/u:{login['username']}", f"/p:{login['password']}")
        return Viewer(display, login["port"], *words)

    def sessions(self, secret: str) -> list[dict[str, Any]]:
        """Those of a secret that are over and stored."""
        rows = json.loads(self.cli("--output", "json", "session", "list").stdout)
        return [row for row in rows if row["secret"] == secret and row["complete"]]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    demo = RunningDemo(tmp_path_factory.mktemp("demo"))
    yield demo
    if demo.process.poll() is None:
        demo.stop()


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_session_is_recorded_found_and_exported(demo: RunningDemo) -> None:
    assert set(demo.said) == {"ssh", "rdp", "page", "config", "pid"}
    assert demo.said["pid"] == demo.process.pid
    done = demo.ssh("echo marker-$((6*7)); exit 3")
    assert (done.stdout, done.status) == (b"marker-42\n", 3)
    wait_until(lambda: demo.sessions("demo"), "not stored")
    [row] = demo.sessions("demo")
    assert (row["user"], row["secret"], row["state"]) == ("demo", "demo", "finished")
    out = demo.folder / "out"
    demo.cli("session", "export", row["id"], "--format", "output", "--out", str(out))
    assert out.read_bytes() == b"marker-42\n"


def test_a_desktop_is_shown_recorded_and_found(demo: RunningDemo, desk: Display) -> None:
    viewer = demo.view(desk)
    wait_until(lambda: " proxyd demo desktop" in seen(desk), "no desktop", seconds=60)
    desk.xdotool("mousemove", "300", "400", "click", "1")
    desk.type("Marker-{6*7}x")
    desk.press("BackSpace", "Return")
    desk.type("end")
    wait_until(lambda: {"  Marker-{6*7}", "  end"} <= set(seen(desk)), "not shown")
    screenshot = desk.screenshot()
    viewer.close()
    wait_until(lambda: demo.sessions("desktop"), "not stored", seconds=30)
    [row] = demo.sessions("desktop")
    assert (row["user"], row["protocol"]) == ("demo", "rdp")
    assert rgb_of(Recording(demo, row)) == screenshot
    search = ("--output", "json", "session", "search", "Marker-{6*7}")
    wait_until(lambda: json.loads(demo.cli(*search).stdout), "not found", seconds=30)
    assert {hit["session"] for hit in json.loads(demo.cli(*search).stdout)} == {row["id"]}


def seen(display: Display) -> list[str]:
    """The lines that the demo desktop shows on a whole display."""
    return lines_of(display.screenshot(), 1024, 3)


def test_its_host_key_is_the_one_it_names(demo: RunningDemo) -> None:
    demo.ssh("true")
    prints = run([program("ssh-keygen"), "-lf", str(demo.folder / "known")]).text
    assert demo.said["ssh"]["host_key_fingerprint"] in prints


def test_it_runs_only_once_at_a_time(demo: RunningDemo) -> None:
    second = run([*demo.argv, "demo"], env={"PYTHONPATH": str(ROOT)}, cwd=demo.folder)
    assert second.status == 1
    assert "a demo runs in" in second.said


def test_nothing_runs_on_after_control_c(demo: RunningDemo) -> None:
    children = [int(pid) for pid in children_of(demo.process.pid)]
    assert children
    assert demo.stop() == 0
    # Some of them end because it has ended.
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "they run")


def test_it_may_be_run_again(demo: RunningDemo) -> None:
    assert demo.process.poll() is not None or demo.stop() == 0
    page = demo.said["page"]
    again = RunningDemo(demo.folder)
    try:
        assert {**again.said["page"], "url": page["url"]} == page
        assert again.ssh("exit 4").status == 4
    finally:
        again.stop()
