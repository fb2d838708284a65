"""Writes settings as TOML, the way `proxyd config show` prints them."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from config.model import Settings
from config.schema import ABOVE, KEYS, TABLES

_URL_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)")


def show(settings: Settings) -> str:
    """Return what is in effect. Passwords in addresses are starred out."""
    database = msgspec.structs.replace(settings.database, url=settings.database_url)
    effective = msgspec.structs.replace(settings, database=database)
    blocks = [_show_keys(effective, KEYS[ABOVE])]
    blocks += [
        f"[{name}]\n{_show_keys(getattr(effective, name), KEYS[name])}" for name in TABLES
    ]
    return "\n".join(blocks)


def as_toml(value: object) -> str:
    """Return a value as a TOML file has it. Passwords in addresses are starred out."""
    match value:
        case bool():
            return json.dumps(value)
        case int() | float() | dt.date() | dt.time():
            return str(value)
        case tuple() | list():
            return f"[{', '.join(as_toml(item) for item in value)}]"
        case dict():
            pairs = (f"{as_toml(name)} = {as_toml(item)}" for name, item in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
        case _:
            # JSON's strings are TOML's, but for DEL, which TOML wants escaped.
            text = json.dumps(without_password(str(value)), ensure_ascii=False)
            return text.replace("\x7f", "\\u007f")


def without_password(text: str) -> str:
    """Return `text` with the password of an address in it starred out."""
    return _URL_PASSWORD.sub(r"\1:***", text)


def _show_keys(table: Struct, keys: Mapping[str, Any]) -> str:
    lines = (_show_key(name, getattr(table, name)) for name in keys)
    return "".join(f"{line}\n" for line in lines)


def _show_key(name: str, value: object) -> str:
    return f"# {name} is not set" if value is None else f"{name} = {as_toml(value)}"
