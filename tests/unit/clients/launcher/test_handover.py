import socket
import stat

import pytest

from clients.errors import ClientError
from clients.launcher.handover import MAX_BYTES, Handover, fetch


def test_what_is_handed_over_is_had_once_and_leaves_nothing_behind(short):
    with Handover(b"secret\n", short) as handover:
        assert stat.S_IMODE(handover.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(handover.folder.stat().st_mode) == 0o700
        assert not handover.taken.is_set()
        assert fetch(str(handover.path)) == b"secret\n"
        assert handover.taken.wait(5)
        with pytest.raises(ClientError, match="nothing is handed over"):
            fetch(str(handover.path))
    assert list(short.iterdir()) == []


def test_what_nobody_wanted_is_forgotten(short):
    with Handover(b"secret", short) as handover:
        path = str(handover.path)
    assert list(short.iterdir()) == []
    with pytest.raises(ClientError):
        fetch(path)


def test_whoever_connects_and_leaves_has_used_it_up(short):
    with Handover(b"x" * 100, short) as handover:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(handover.path))
            assert handover.taken.wait(5)
        with pytest.raises(ClientError):
            fetch(str(handover.path))


def test_another_user_is_given_nothing(short, monkeypatch):
    with Handover(b"secret", short) as handover:
        monkeypatch.setattr("clients.launcher.handover._user_of", lambda peer: -1)
        with pytest.raises(ClientError):
            fetch(str(handover.path))
        assert not handover.taken.is_set()
        monkeypatch.undo()
        assert fetch(str(handover.path)) == b"secret"


def test_nothing_endless_is_read(short):
    with Handover(bytes(MAX_BYTES + 1), short) as handover, pytest.raises(ClientError):
        fetch(str(handover.path))
