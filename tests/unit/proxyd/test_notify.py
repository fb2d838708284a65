import os
import socket

import pytest

from proxyd.notify import Systemd


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(1)
        yield listener


def test_it_says_ready_with_a_status_of_one_line(manager):
    Systemd({"NOTIFY_SOCKET": manager.getsockname()}).ready("two\nlines")
    assert manager.recv(200) == b"READY=1\nSTATUS=two lines"


def test_each_message_has_the_word_that_systemd_knows(manager):
    systemd = Systemd({"NOTIFY_SOCKET": manager.getsockname()})
    systemd.status("3 sessions")
    systemd.alive()
    systemd.stopping()
    assert [manager.recv(200) for _ in range(3)] == [
        b"STATUS=3 sessions",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_an_abstract_socket_is_reached():
    name = f"@proxyd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:])
        listener.settimeout(1)
        Systemd({"NOTIFY_SOCKET": name}).alive()
        assert listener.recv(200) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens():
    systemd = Systemd({})
    systemd.ready("fine")
    assert systemd.watchdog_interval_s is None


def test_a_manager_that_left_does_no_harm(tmp_path):
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


def test_the_watchdog_is_fed_twice_an_interval():
    assert Systemd({"WATCHDOG_USEC": "30000000"}).watchdog_interval_s == 15
    ours = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert Systemd(ours).watchdog_interval_s == 15


def test_a_watchdog_for_another_process_is_not_ours():
    theirs = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Systemd(theirs).watchdog_interval_s is None
