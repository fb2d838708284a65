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


def test_an_engine_in_controls_own_process_needs_no_enrolment(tmp_path):
    settings = Settings(state_dir=tmp_path)
    assert engine_side.is_local(settings)
    keys = engine_side.keys(settings)
    introduction = Introduction("engine-1", keys.signing, SystemClock())
    with pytest.raises(ConfigError, match="every role"):
        engine_side.requests(settings, introduction)


def test_an_engine_that_was_never_enrolled_has_no_identity(tmp_path):
    settings = Settings(state_dir=tmp_path)
    with pytest.raises(ConfigError, match="is not enrolled"):
        engine_side.trust(settings, engine_side.keys(settings))
