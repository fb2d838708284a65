import os
import stat

import pytest

from control.private_files import give_to_owner, write_private


def test_it_is_whole_and_private_from_its_first_moment(tmp_path):
    path = tmp_path / "key"
    (tmp_path / "key.partial").write_text("left by a crash, readable by all")
    write_private(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "key"
    write_private(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_folders_owner(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    path = tmp_path / "key"
    write_private(path, b"secret")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    plain = tmp_path / "plain"
    plain.touch()
    give_to_owner(plain)
    assert plain.stat().st_uid == 65534
