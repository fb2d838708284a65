"""Whether the files that the settings name are there, and closed where they must be."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bus.amqp import tls_options
from config.errors import ConfigError
from config.model import RDPSettings, Settings
from config.secret import find_secret, is_there
from control.gateway_certificate import given_certificate
from control.master_key import locate
from control.rdp_signature import RDPSigner
from control.web.certificate import SELF_SIGNED, PageCertificate
from protocols.rdp.kerberos_extra import check_kerberos
from proxyd.surroundings import credentials_dir

_KEPT_SECRET: Final = ("password_file", "client_secret_file", "credentials_file")
"""What the daemon reads only from a file that is closed to others."""
_MADE_BY_INIT: Final = "control.master_key_file"


def check_named_files(settings: Settings) -> list[str]:
    """Return what a daemon with these settings would do without, and what it would say.

    Raises `ConfigError` for the first file that would keep it from starting.
    """
    for key, path in _named(settings):
        if key == _MADE_BY_INIT:
            continue
        if not is_there(path):
            raise ConfigError(f"{key}: {path} is not there; name a file that is")
        if path.is_dir():
            raise ConfigError(f"{key}: {path} is a directory; name a file")
        if key.endswith(_KEPT_SECRET):
            find_secret(key, path, None)
    check_kerberos(settings.rdp)
    _check_keys(settings)
    return list(_not_signed_by(settings.rdp))


def _check_keys(settings: Settings) -> None:
    """Look at private keys by what reads them in the daemon."""
    if settings.rdp.listen:
        given_certificate(settings.rdp)
    tls_options(settings.bus)
    page = settings.control
    if page.tls != SELF_SIGNED:
        given = PageCertificate(settings.state_dir, page.tls, settings.public_host)
        given.load(dt.datetime.now(dt.UTC))
    if page.master_key_file is not None:
        key = locate(settings, credentials_dir())
        if key.exists():
            key.read()


def _not_signed_by(rdp: RDPSettings) -> Iterator[str]:
    if rdp.signing_key_file is None:
        # systemd may hold the key, and shows it to the daemon alone.
        return
    try:
        RDPSigner.load(rdp.signing_certificate_file, rdp.signing_key_file, credentials_dir())
    except ConfigError as error:
        yield f"the page gives `.rdp` files that are not signed, `--rdp-file` none: {error}"


def _named(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield key and path of each file."""
    for table in settings.__struct_fields__:
        value = getattr(settings, table)
        if not isinstance(value, msgspec.Struct):
            continue
        for field in value.__struct_fields__:
            named = getattr(value, field)
            if field.endswith("_file") and isinstance(named, Path):
                yield f"{table}.{field}", named
