"""What the command line needs on an engine, where there is no control node to ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.identity import Introduction
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from config.errors import ConfigError
from config.model import Settings
from proxyd import broker
from proxyd.engine_trust import EnginePrivateKeys
from proxyd.enrolment import Requests
from proxyd.roles import MEMORY
from proxyd.surroundings import credentials_dir


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


def keys(settings: Settings) -> EnginePrivateKeys:
    """Return the keys of this engine, made where there are none; raise `ConfigError`."""
    return EnginePrivateKeys(settings.state_dir, credentials_dir())


@asynccontextmanager
async def requests(settings: Settings, introduction: Introduction) -> AsyncIterator[Requests]:
    """Connect to control over the broker, for enrolment; raise `ConfigError`."""
    bus = RabbitEngineBus(
        broker.connection(settings, introduction.name),
        introduction,
        EngineAddress(site=settings.site, engine_id=introduction.name),
        settings.bus.answer_timeout_s,
    )
    async with bus:
        yield bus
