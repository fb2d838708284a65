"""How results are printed: a table for people, one JSON document for programs."""

import datetime as dt
import enum
import sys
import unicodedata
from collections.abc import Iterable, Sequence

import click
import msgspec


class OutputFormat(enum.StrEnum):
    """What `--output` can be."""

    TABLE = "table"
    JSON = "json"


_ACTS = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that steer a terminal or hide what is there: escapes, C1, bidi marks."""

_PIPE_COLUMNS = 10_000


def printable(text: str) -> str:
    """Return `text` with whatever could act on a terminal written out, as Python would."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _ACTS:
        return character
    return character.encode("unicode_escape").decode("ascii")


def print_json(document: object) -> None:
    """Print one JSON document. Its strings hold no raw control character."""
    click.echo(_harmless(msgspec.json.encode(document)))


def print_done(output: OutputFormat, *lines: str) -> None:
    """Say what was done where there is nothing to hand over: on standard error for people."""
    if output is OutputFormat.JSON:
        print_json({"detail": "\n".join(lines)})
        return
    for line in lines:
        click.echo(printable(line), err=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings, cut to the terminal's width; `None` is `-`."""
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that JSON need not pay
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    # A terminal gets what fits it; a pipe gets everything.
    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    Console(highlight=False, width=width).print(table)


def print_fields(fields: dict[str, object]) -> None:
    """Print one thing, a line a field."""
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name:<{width}}  {_cell(value)}")


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    return "-" if value is None else printable(str(value))


def _harmless(document: bytes) -> str:
    # JSON lets DEL, C1 and bidi characters stand as they are; a terminal must not see them.
    return "".join(map(_escaped, document.decode()))


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _ACTS:
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
