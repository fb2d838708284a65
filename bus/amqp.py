"""How a node reaches the broker: from its settings to what pika takes.

amqp://USER@HOST:PORT/VHOST     plain, for a broker on this machine or in a private network
amqps://USER@HOST:PORT/VHOST    TLS 1.2 or newer; the certificate must be of HOST
"""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pika
import pika.credentials

from config.errors import ConfigError
from config.model import BusSettings
from config.redacted import Redacted
from config.secret import check_private

Broker = pika.ConnectionParameters
PASSWORD: Final = "bus-password"  # noqa: S105 - the name of a credential
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_CONNECT_TIMEOUT_S: Final = 0.6
"""Of TCP alone: a way that works again is found by the next try, not by a longer one, for
the kernel repeats itself only after one second, then after two, and after four."""
_HANDSHAKE_TIMEOUT_S: Final = 8.0


def is_amqp(url: str) -> bool:
    """Say whether `[bus] url` names a broker."""
    return urlsplit(url).scheme in _PORTS


def address(text: str) -> tuple[str, int, str]:
    """Return the broker's host and port, and our user there; raise `ConfigError`."""
    url = urlsplit(text)
    port = _port(text) or _PORTS[url.scheme]
    if not url.hostname or not url.username:
        raise ConfigError(f"bus.url: write {url.scheme}://USER@HOST:{port}/VHOST")
    if url.password is not None:
        raise ConfigError(
            f"bus.url holds a password: put it into the systemd credential `{PASSWORD}` or a "
            "file named by bus.password_file, and change it if others could read this file"
        )
    return url.hostname, port, unquote(url.username)


def parameters(
    settings: BusSettings, password: Redacted[str], name: str
) -> pika.ConnectionParameters:
    """Return where and how to connect; raise `ConfigError`. `name` is shown to operators."""
    host, port, user = address(settings.url)
    url = urlsplit(settings.url)
    return pika.ConnectionParameters(
        host=host,
        port=port,
        virtual_host=unquote(url.path.removeprefix("/")) or "/",
        credentials=pika.credentials.PlainCredentials(
            user, password.reveal(), erase_on_connect=False
        ),
        heartbeat=round(settings.heartbeat_s),
        connection_attempts=1,
        socket_timeout=_CONNECT_TIMEOUT_S,
        stack_timeout=_HANDSHAKE_TIMEOUT_S,
        ssl_options=tls_options(settings),
        client_properties={"connection_name": name},
    )


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError as error:
        raise ConfigError(f"bus.url: {error}") from error


def tls_options(settings: BusSettings) -> pika.SSLOptions | None:
    """Return whom to believe and what to show, None without TLS; raise `ConfigError`."""
    url = urlsplit(settings.url)
    if url.scheme != "amqps":
        return None
    context = ssl.create_default_context(cafile=_readable("bus.ca_file", settings.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate = _readable("bus.certificate_file", settings.certificate_file)
    key = _readable("bus.key_file", settings.key_file)
    if settings.key_file is not None:
        check_private("bus.key_file", settings.key_file)
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise ConfigError(
                f"bus.certificate_file and bus.key_file do not fit together: {error.reason}; "
                "name a certificate in PEM and the key that it was made for, without passphrase"
            ) from error
    elif key is not None:
        raise ConfigError("bus.key_file stands alone: name its bus.certificate_file")
    return pika.SSLOptions(context, url.hostname)


def _readable(setting: str, path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"{setting}: {path} cannot be read: {error.strerror}; let the daemon's user read it"
        ) from error
    return str(path)
