import asyncio

import pytest

from config.errors import ConfigError
from control.state_lock import hold
from proxyd import surroundings
from proxyd.metrics import Metrics
from proxyd.service import StartError
from proxyd.surroundings import held, measuring


async def test_a_state_directory_that_is_not_there_wants_init(tmp_path):
    with pytest.raises(ConfigError, match="run `proxyd init`"):
        async with held(tmp_path / "nowhere"):
            pass


async def test_a_node_waits_for_a_command_line_to_finish(tmp_path):
    loop = asyncio.get_running_loop()
    holding = hold(tmp_path)
    holding.__enter__()
    loop.call_later(0.3, holding.__exit__, None, None, None)
    async with asyncio.timeout(5), held(tmp_path):
        pass


async def test_a_second_node_is_refused_and_the_first_one_named(tmp_path, monkeypatch):
    monkeypatch.setattr(surroundings, "_HOLD_PATIENCE_S", 0.1)
    with hold(tmp_path), pytest.raises(StartError, match=r"process \d+ uses"):
        async with held(tmp_path):
            pass


async def test_metrics_are_served_where_an_address_is_set():
    async with measuring(Metrics(), "", tuple), measuring(Metrics(), "127.0.0.1:0", tuple):
        pass
    with pytest.raises(ConfigError, match=r"metrics\.listen"):
        async with measuring(Metrics(), "192.0.2.1:9464", tuple):
            pass
