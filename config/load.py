"""Reads settings: defaults, then the TOML file, then the environment.

A variable names its key: `PROXYD_SSH__MAX_TRIES=3` sets `max_tries` in `[ssh]`, and
`PROXYD_SITE=dmz` sets `site`. A list has commas (`a:22,b:22`) or is written as in TOML
(`["a:22"]`); an empty one switches off what it lists. A table is written as in TOML
(`{lyon = "s3://bucket"}`).
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from config.errors import ConfigError
from config.model import Settings
from config.schema import (
    ABOVE,
    KEYS,
    TABLES,
    allowed,
    is_list,
    is_table,
    looks_like,
    suggestion,
    wanted,
)
from config.show import as_toml

_PREFIX = "PROXYD_"


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in `path`, overlaid with `environ`; raise `ConfigError`."""
    values: dict[str, dict[str, Any]] = {table: {} for table in KEYS}
    if path is not None:
        for table, key, value in _read(path):
            values[table][key] = _convert(f"{path}: {_place(table, key)}", table, key, value)
    for variable, table, key in _variables(environ):
        values[table][key] = _convert_text(variable, table, key, environ[variable])
    tables: dict[str, Any] = {name: kind(**values[name]) for name, kind in TABLES.items()}
    return Settings(**values[ABOVE], **tables)


def _read(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield table, key and value of everything in the file."""
    for name, value in _parse(path).items():
        if name in TABLES:
            if not isinstance(value, dict):
                raise ConfigError(f"{path}: `{name}` is a table: write [{name}] above its keys")
            for key, inner in value.items():
                _check_known(str(path), name, key)
                yield name, key, inner
        elif isinstance(value, dict):
            raise ConfigError(f"{path}: unknown table [{name}]; {suggestion(name, TABLES)}")
        else:
            _check_known(str(path), ABOVE, name)
            yield ABOVE, name, value


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no such file; write it, or name another with --config"
        ) from error
    except PermissionError as error:
        raise ConfigError(
            f"{path}: permission denied; let the user with id {os.geteuid()} read it"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not TOML: {error}") from error


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield variable, table and key of every setting in the environment.

    A name with `__` is a setting. One without may be anybody's (`PROXYD_CONFIG` is the
    command line's, container platforms add `PROXYD_SERVICE_HOST`), so it is refused
    only where it looks like a misspelt setting.
    """
    for variable in sorted(name for name in environ if name.startswith(_PREFIX)):
        table, separator, key = variable.removeprefix(_PREFIX).lower().partition("__")
        if not separator:
            table, key = ABOVE, table
            if key not in KEYS[ABOVE] and not looks_like(key, KEYS[ABOVE]):
                continue
        elif table not in TABLES:
            raise ConfigError(
                f"{variable}: unknown table [{table}]; {suggestion(table, TABLES)}"
            )
        _check_known(variable, table, key)
        yield variable, table, key


def _check_known(source: str, table: str, key: str) -> None:
    if key not in KEYS[table]:
        hint = suggestion(key, KEYS[table])
        raise ConfigError(f"{source}: unknown key {_place(table, key)}; {hint}")


def _convert_text(variable: str, table: str, key: str, text: str) -> object:
    if is_table(table, key):
        return _convert_toml(variable, table, key, text or "{}")
    if not is_list(table, key):
        return _convert(variable, table, key, text, strict=False)
    if not text.lstrip().startswith("["):
        items = [item.strip() for item in text.split(",")] if text.strip() else []
        return _convert(variable, table, key, items)
    return _convert_toml(variable, table, key, text)


def _convert_toml(variable: str, table: str, key: str, text: str) -> object:
    kind = "table" if is_table(table, key) else "list"
    try:
        return _convert(variable, table, key, tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{variable}: this is not a TOML {kind}: {error}") from error


def _convert(
    where: str,
    table: str,
    key: str,
    value: Any,  # noqa: ANN401 - whatever was written
    *,
    strict: bool = True,
) -> object:
    try:
        return msgspec.convert(value, KEYS[table][key], strict=strict, dec_hook=_to_path)
    except msgspec.ValidationError as error:
        # What comes from the environment is text in any case.
        expected = wanted(table, key, value) if strict else allowed(table, key)
        raise ConfigError(f"{where} cannot be {as_toml(value)}: expected {expected}") from error


def _to_path(kind: type, value: object) -> Path:
    """Read the one type of the model that msgspec does not know."""
    if kind is not Path or not isinstance(value, str) or not value:
        raise ValueError("not a path")
    return Path(value)


def _place(table: str, key: str) -> str:
    return f"`{key}` in [{table}]" if table else f"`{key}`"
