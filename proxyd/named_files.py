"""Whether the files that the settings name are there, and closed where they must be."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from config.errors import ConfigError
from config.model import Settings
from config.secret import find_secret, is_there
from control.web.certificate import SELF_SIGNED, PageCertificate

_KEPT_SECRET: Final = ("password_file", "client_secret_file", "credentials_file")
"""What the daemon reads only from a file that is closed to others."""
_MADE_BY_INIT: Final = "control.master_key_file"


def check_named_files(settings: Settings) -> None:
    """Raise `ConfigError` for the first file that a daemon with these settings would miss."""
    for key, path in _named(settings):
        if key == _MADE_BY_INIT:
            continue
        if not is_there(path):
            raise ConfigError(f"{key}: {path} is not there; name a file that is")
        if path.is_dir():
            raise ConfigError(f"{key}: {path} is a directory; name a file")
        if key.endswith(_KEPT_SECRET):
            find_secret(key, path, None)
    page = settings.control
    if page.tls != SELF_SIGNED:
        given = PageCertificate(settings.state_dir, page.tls, settings.public_host)
        given.load(dt.datetime.now(dt.UTC))


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
