"""What is said where a machine lacks something. The clients run in `tests/e2e`."""

import shutil

import pytest
from peers.needed import program

from clients.errors import ClientError, MissingError
from clients.launcher.answer import Order
from clients.launcher.registry import Registry
from clients.launcher.starting import Starter

ORDER = Order(
    kind="ssh",
    secret="web1",
    host="127.0.0.1",
    port=1,
    username="ada-4k2m9x",
    password="Pa55word" * 3,
    channels=(),
    host_keys=(),
    certificate_fingerprints=(),
    notice="",
)
DESKTOP = Order(**(ORDER.__dict__ | {"kind": "rdp"}))


@pytest.mark.parametrize(
    ("order", "registry", "window", "words"),
    [
        (ORDER, Registry(), False, "no ssh on this machine"),
        (ORDER, Registry(ssh="putty"), False, "no putty on this machine"),
        (DESKTOP, Registry(), False, "no xfreerdp on this machine"),
        (ORDER, Registry(), True, "no terminal emulator"),
        (ORDER, Registry(terminal=("/nowhere/kitty",)), True, "kitty cannot be started"),
    ],
)
def test_what_is_missing_is_named(order, registry, window, words, make_surroundings, short):
    starter = Starter(make_surroundings(PATH="/nowhere", DISPLAY=":0"), registry)
    with pytest.raises(MissingError, match=words):
        starter.start(order, window=window)
    assert list(short.iterdir()) == []


@pytest.mark.peers
@pytest.mark.parametrize(
    ("order", "registry", "window"),
    [
        (ORDER, Registry(ssh="putty"), False),
        (DESKTOP, Registry(), False),
        (ORDER, Registry(), True),
    ],
)
def test_without_a_screen_nothing_is_tried_on_one(order, registry, window, make_surroundings):
    for name in ("putty", "xfreerdp"):
        program(name)
    with pytest.raises(MissingError, match="there is no screen"):
        Starter(make_surroundings(), registry).start(order, window=window)


@pytest.mark.peers
def test_a_gateway_that_is_not_there_is_said_and_nothing_left_behind(make_surroundings, short):
    program("ssh")
    with pytest.raises(ClientError, match="what it said is above"):
        Starter(make_surroundings(), Registry()).start(ORDER, window=False)
    assert list(short.iterdir()) == []


@pytest.mark.peers
def test_putty_is_taken_where_there_is_no_openssh(make_surroundings, short):
    (short / "bin").mkdir()
    (short / "bin" / "putty").symlink_to(program("putty"))
    around = make_surroundings(PATH=str(short / "bin"))
    with pytest.raises(MissingError, match="no screen to open putty on"):
        Starter(around, Registry()).start(ORDER, window=True)


@pytest.mark.peers
def test_a_window_that_ends_at_once_with_nothing_in_it_is_said(
    make_surroundings, short, monkeypatch
):
    monkeypatch.setattr("clients.launcher.starting._TAKEN_WITHIN_S", 0.2)
    opener = shutil.which("true")
    around = make_surroundings(DISPLAY=":0")
    with pytest.raises(ClientError, match="opens no window"):
        Starter(around, Registry(terminal=(opener,))).start(ORDER, window=True)
    assert list(short.iterdir()) == []
