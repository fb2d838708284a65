import os
import stat

import pytest

from config.errors import ConfigError
from control.state_lock import LOCK_NAME, StateDirHeldError, hold, socket_address


def test_one_at_a_time_and_the_next_one_after(tmp_path):
    with (
        hold(tmp_path),
        pytest.raises(StateDirHeldError, match=f"process {os.getpid()} uses the state dir"),
        hold(tmp_path),
    ):
        pass
    with hold(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == str(os.getpid())


def test_what_a_dead_process_left_holds_nobody_up(tmp_path):
    (tmp_path / LOCK_NAME).write_text("99999999999")
    with hold(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == str(os.getpid())


def test_nobody_else_may_take_the_lock(tmp_path):
    with hold(tmp_path):
        assert stat.S_IMODE((tmp_path / LOCK_NAME).stat().st_mode) == 0o600


def test_a_directory_that_is_not_there_wants_init(tmp_path):
    with pytest.raises(ConfigError, match="run `proxyd init`"), hold(tmp_path / "nothing"):
        pass


def test_an_address_is_short_and_leaves_nothing_open(tmp_path):
    deep = tmp_path / ("d" * 200)
    deep.mkdir()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, names do not matter
    with socket_address(deep) as address:
        assert len(address) < 60
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
