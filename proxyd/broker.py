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


def reread(settings: Settings, *connections: Broker) -> None:
    """Have `connections` use the password and certificates as they are now; `ConfigError`.

    What stands is not cut: they count from the next time that it is made.
    """
    for one in connections:
        now = connection(settings, "")
        one.credentials, one.ssl_options = now.credentials, now.ssl_options
