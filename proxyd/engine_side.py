"""What the command line needs on an engine, where there is no control node to ask."""

from contextlib import AbstractAsyncContextManager

from bus.identity import Identity, Introduction
from config.errors import ConfigError
from config.model import Settings
from proxyd.control import credentials_dir
from proxyd.engine_trust import EngineKeys, EngineTrust, TrustFile, engine_id
from proxyd.enrolment import Requests
from proxyd.node import MEMORY, check_bus
from recorder.clock import SystemClock


def is_local(settings: Settings) -> bool:
    """Say whether the engine shares its process, and so its trust, with control."""
    return settings.bus.url == MEMORY


def check_site(settings: Settings, site: str) -> None:
    """Raise `ConfigError` unless the settings say the same site."""
    if settings.site != site:
        raise ConfigError(
            f"this engine's settings say site {settings.site!r}: set `site` to {site!r}, or "
            f"enrol it with `--site {settings.site}`"
        )


def keys(settings: Settings) -> EngineKeys:
    """Return the keys of this engine, made where there are none; raise `ConfigError`."""
    return EngineKeys(settings.state_dir, credentials_dir())


def trust(settings: Settings, with_keys: EngineKeys) -> EngineTrust:
    """Return the engine's identity; raise `ConfigError` where it was never enrolled."""
    name = engine_id(settings.state_dir)
    file = TrustFile(settings.state_dir)
    return EngineTrust(name, with_keys.signing, file, SystemClock())


def requests(
    settings: Settings, identity: Identity | Introduction
) -> AbstractAsyncContextManager[Requests]:
    """Return the way to control, as `identity`; raise `ConfigError`."""
    check_bus("engine", settings.bus.url)
    raise ConfigError(f"bus.url: no bus of this version takes {identity.name} to control")
