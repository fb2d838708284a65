"""What it takes for a role to reach the broker."""

import os

from bus.amqp import PASSWORD, Broker, is_amqp, parameters
from config.errors import ConfigError
from config.model import Settings
from config.secret import read_secret


def connection(settings: Settings, name: str) -> Broker:
    """Return how to reach the broker; raise `ConfigError`. `name` is shown to its operators."""
    if not is_amqp(settings.bus.url):
        raise ConfigError(
            f"bus.url: {settings.bus.url!r} names no broker: write amqps://USER@HOST/VHOST"
        )
    environ = os.environ  # noqa: TID251 - systemd's word about credentials, not a setting
    password = read_secret(PASSWORD, settings.bus.password_file, environ)
    return parameters(settings.bus, password, name)
