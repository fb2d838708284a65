"""Passwords and keys of the daemon itself. They are no settings and never in a TOML file.

They come from systemd (`LoadCredential=`) or from a file that nobody else can read.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from config.errors import ConfigError
from config.redacted import Redacted


def credentials_directory(environ: Mapping[str, str]) -> Path | None:
    """Return where systemd put this service's credentials, if it did."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def is_there(path: Path) -> bool:
    """Say whether there is a file; raise `ConfigError` where we may not even look."""
    try:
        return path.exists()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be looked at: {error.strerror}; run as root or as the daemon's "
            "user, and let that user into its folder"
        ) from error


def find_secret(name: str, file: Path | None, folder: Path | None) -> Redacted[str] | None:
    """Return the secret `name` from systemd's `folder`, else the text of `file`, if any.

    One line end behind it does not count. Raises `ConfigError`.
    """
    if folder is not None and is_there(folder / name):
        return _read(folder / name, name, kept_by_systemd=True)
    return None if file is None else _read(file, name, kept_by_systemd=False)


def read_secret(name: str, file: Path | None, environ: Mapping[str, str]) -> Redacted[str]:
    """Return the systemd credential `name`, else the text of `file`; raise `ConfigError`."""
    secret = find_secret(name, file, credentials_directory(environ))
    if secret is None:
        raise ConfigError(
            f"the secret `{name}` is missing: add `LoadCredential={name}:FILE` to the unit, "
            "or name a file of mode 0600 in the settings"
        )
    return secret


def check_private(setting: str, path: Path) -> None:
    """Raise `ConfigError` where others than its owner may read the private key in `path`."""
    mode = path.stat().st_mode
    if mode & 0o077:
        raise ConfigError(
            f"{setting}: {path} is open to others (mode {mode & 0o777:04o}): "
            f"`chmod 600 {path}`, and replace the key if others could log on here"
        )


def _read(path: Path, name: str, *, kept_by_systemd: bool) -> Redacted[str]:
    try:
        with path.open(encoding="utf-8") as file:
            # systemd guards its credentials with an access list that the mode does not show.
            if not kept_by_systemd:
                _check_closed(os.fstat(file.fileno()).st_mode, path, name)
            return Redacted(file.read().removesuffix("\n"))
    except OSError as error:
        raise ConfigError(
            f"the secret `{name}` in {path} cannot be read: {error.strerror}; "
            "give the daemon's user a file of mode 0600 there"
        ) from error
    except UnicodeDecodeError:
        # Without a cause: the foreign error holds the bytes.
        raise ConfigError(f"the secret `{name}` in {path} is not UTF-8 text") from None


def _check_closed(mode: int, path: Path, name: str) -> None:
    if mode & 0o077:
        raise ConfigError(
            f"the secret `{name}` in {path} is open to others (mode {mode & 0o777:04o}): "
            f"`chmod 600 {path}`, and change the secret if others could log on here"
        )
