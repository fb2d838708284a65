import asyncio
import errno
import os
import signal
import socket
import sys

import pytest

from config.errors import ConfigError
from proxyd import service
from proxyd.notify import Systemd
from proxyd.service import StartError, listen_error


class ScriptedNode:
    """Does what a test tells it, and remembers what it was asked."""

    def __init__(self, *, dies: Exception | None = None, drain_s: float = 0) -> None:
        self.dies = dies
        self.drain_s = drain_s
        self.asked: list[str] = []

    async def serve(self, started) -> None:
        self.asked.append("serve")
        if isinstance(self.dies, ConfigError | StartError):
            raise self.dies
        started()
        if self.dies is not None:
            raise self.dies
        await asyncio.Event().wait()

    async def drain(self) -> None:
        self.asked.append("drain")
        await asyncio.sleep(self.drain_s)

    def reload(self) -> None:
        self.asked.append("reload")

    def status(self) -> str:
        return "2 sessions"


class Signalling(ScriptedNode):
    """Sends itself signals once it has started."""

    def __init__(self, *signals: signal.Signals, drain_s: float = 0) -> None:
        super().__init__(drain_s=drain_s)
        self.signals = signals

    async def serve(self, started) -> None:
        started()
        for number in self.signals:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.02)
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _mild(monkeypatch):
    """Leave the test process as it is: limits and frozen garbage would outlive the test."""
    monkeypatch.setattr(service, "harden", lambda: None)
    monkeypatch.setattr(service.gc, "freeze", lambda: None)
    monkeypatch.setattr(service.gc, "set_threshold", lambda *_: None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_drains_and_ends_with_0(number):
    node = Signalling(number)
    assert service.run(node, Systemd({})) == 0
    assert node.asked == ["drain"]


def test_a_second_stop_signal_ends_at_once():
    node = Signalling(signal.SIGTERM, signal.SIGTERM, drain_s=30)
    assert service.run(node, Systemd({})) == 1


def test_sighup_reloads_and_goes_on():
    node = Signalling(signal.SIGHUP, signal.SIGTERM)
    assert service.run(node, Systemd({})) == 0
    assert node.asked == ["reload", "drain"]


def test_a_dead_essential_part_ends_the_daemon_with_1(capsys):
    assert service.run(ScriptedNode(dies=OSError("disk gone")), Systemd({})) == 1
    assert "disk gone" in "".join(capsys.readouterr())


def test_settings_that_cannot_be_used_end_with_78(capsys):
    assert service.run(ScriptedNode(dies=ConfigError("bus.url: no")), Systemd({})) == 78
    assert capsys.readouterr().err == "proxyd: bus.url: no\n"


def test_what_may_pass_ends_with_1_so_that_systemd_tries_again(capsys):
    assert service.run(ScriptedNode(dies=StartError("port taken")), Systemd({})) == 1
    assert capsys.readouterr().err == "proxyd: port taken\n"


def test_systemd_hears_of_the_start_and_of_the_end(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(1)
        service.run(
            Signalling(signal.SIGTERM), Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        )
        heard = manager.recv(200)
        rest = [heard]
        while b"STOPPING=1" not in rest:
            rest.append(manager.recv(200))
    assert heard == b"READY=1\nSTATUS=2 sessions"
    assert b"WATCHDOG=1" in rest


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EADDRINUSE, StartError, "in use by another program"),
        (errno.EACCES, ConfigError, "CAP_NET_BIND_SERVICE"),
        (errno.EADDRNOTAVAIL, ConfigError, "no address of this machine"),
        (errno.ENETDOWN, ConfigError, "cannot listen on"),
    ],
)
def test_a_port_that_cannot_be_had_is_named_with_the_next_step(number, kind, words):
    error = listen_error("ssh.listen", "0.0.0.0:22", OSError(number, "why"))
    assert type(error) is kind
    assert "0.0.0.0:22" in str(error)
    assert "ssh.listen" in str(error)
    assert words in str(error)


def test_a_name_that_is_not_known_is_no_address_to_listen_on():
    error = listen_error("ssh.listen", "no.invalid:22", socket.gaierror(-2, "not known"))
    assert str(error).startswith("ssh.listen: the name in no.invalid:22 is not known: write")


def test_a_thread_that_stores_gives_the_interpreter_back_soon():
    service.run(Signalling(signal.SIGTERM))
    assert sys.getswitchinterval() == pytest.approx(0.0005)
