"""Menus: names that stand for commands, with parameters that cannot become anything else.

    restart = systemctl restart $unit

`$unit` is a parameter; `$$HOME` leaves `$HOME` to the target's shell. A parameter's value is
one word: it holds nothing that a shell would act on, is quoted besides, and cannot be taken for
an option.
"""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from bus.command_rules import MenuEntry

_PARAMETER = re.compile(r"\$(\$|[A-Za-z_][A-Za-z0-9_]*)")
_VALUE = re.compile(r"[A-Za-z0-9_./@%+,=][A-Za-z0-9_./@%+,=:-]{0,254}\Z")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\\.")
MAX_COMMAND: Final = 1000


class MenuError(ValueError):
    """Not on the menu, or no menu. The message is for whoever typed or wrote it."""


def check(entry: MenuEntry) -> None:
    """Raise `MenuError` where an entry's command is none."""
    if not entry.command.strip() or not entry.command.isprintable():
        raise MenuError(f"`{entry.name}` is no command: it is empty or not printable")
    if len(entry.command) > MAX_COMMAND:
        raise MenuError(f"`{entry.name}`: a command has at most {MAX_COMMAND} characters")
    rest = _PARAMETER.sub("", entry.command)
    if "$" in rest:
        raise MenuError(f"`{entry.name}`: write $name for a parameter, $$ for a dollar sign")
    try:
        shlex.split(rest)
    except ValueError as error:
        raise MenuError(f"`{entry.name}`: {error}") from error
    for quoted in _QUOTED.finditer(entry.command):
        if _PARAMETER.search(quoted[0].replace("$$", "")):
            raise MenuError(
                f"`{entry.name}`: a parameter stands by itself, not within quotes: {quoted[0]}"
            )


def parameters(entry: MenuEntry) -> list[str]:
    """Return the names of an entry's parameters, in order, each once."""
    names = [found[1] for found in _PARAMETER.finditer(entry.command) if found[1] != "$"]
    return list(dict.fromkeys(names))


def command(entry: MenuEntry, values: Sequence[str]) -> str:
    """Return the command with `values` for its parameters; raise `MenuError`."""
    names = parameters(entry)
    if len(values) != len(names):
        wanted = " ".join([entry.name, *(name.upper() for name in names)])
        raise MenuError(f"usage: {wanted}")
    for name, value in zip(names, values, strict=True):
        if not _VALUE.match(value):
            raise MenuError(
                f"{name}: letters, digits and _ . / @ % + , = : - alone, and no - at first"
            )
    given = {name: shlex.quote(value) for name, value in zip(names, values, strict=True)}
    return _PARAMETER.sub(lambda found: given.get(found[1], "$"), entry.command)


def find(menu: Sequence[MenuEntry], word: str) -> MenuEntry:
    """Return the entry by its name or its number, from 1; raise `MenuError`."""
    for number, entry in enumerate(menu, 1):
        if word in {entry.name, str(number)}:
            return entry
    raise MenuError(f"`{word}` is not on the menu: {', '.join(each.name for each in menu)}")
