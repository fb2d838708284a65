"""Whether the settings name buses, databases and stores that this version has."""

from bus.amqp import address, is_amqp
from config.errors import ConfigError
from config.model import Settings
from control.open_database import open_blob_store
from proxyd.roles import ALL, CONTROL, check_bus
from proxyd.surroundings import credentials_dir
from storage.database import supported_url
from storage.errors import UnsupportedStoreError


def check_kinds(settings: Settings) -> None:
    """Raise `ConfigError` where a URL names what this version lacks. Opens nothing."""
    check_bus(CONTROL if is_amqp(settings.bus.url) else ALL, settings.bus.url)
    if is_amqp(settings.bus.url):
        address(settings.bus.url)
    try:
        supported_url(settings.database_url)
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error
    open_blob_store(settings, credentials_dir())
