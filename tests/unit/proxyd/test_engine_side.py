import pytest

from bus.identity import Introduction
from config.errors import ConfigError
from config.model import Settings
from proxyd import engine_side
from recorder.clock import SystemClock


def test_an_engine_is_enrolled_for_the_site_that_its_settings_name(tmp_path):
    settings = Settings(state_dir=tmp_path, site="dmz")
    engine_side.check_site(settings, "dmz")
    with pytest.raises(ConfigError, match="settings say site 'dmz': set `site` to 'lan'"):
        engine_side.check_site(settings, "lan")


async def test_an_engine_without_a_broker_reaches_nobody(tmp_path):
    settings = Settings(state_dir=tmp_path)
    assert engine_side.is_local(settings)
    keys = engine_side.keys(settings)
    introduction = Introduction("engine-1", keys.signing, SystemClock())
    with pytest.raises(ConfigError, match="names no broker"):
        async with engine_side.requests(settings, introduction):
            pass
