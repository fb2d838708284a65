"""Makes requests of what was typed, and says in words what they cannot hold."""

from typing import Any, TypeVar
from uuid import UUID

import click
import msgspec
from msgspec import Struct

R = TypeVar("R", bound=Struct)


def build(kind: type[R], **fields: Any) -> R:  # noqa: ANN401 - `kind` says what is right
    """Return a request of `kind`; a field it cannot hold is a usage error."""
    try:
        return msgspec.convert(
            {"ask": kind.__name__, **fields}, kind, builtin_types=(bytes, UUID), strict=True
        )
    except msgspec.ValidationError as error:
        raise click.UsageError(_in_words(str(error))) from None


def _in_words(complaint: str) -> str:
    """Turn msgspec's words into an operator's: ``Expected … - at `$.name` ``."""
    what, _, place = complaint.partition(" - at `$.")
    option = place.rstrip("`").replace("_", "-")
    if what.endswith("of length >= 1"):
        what = "it is empty: say something"
    if "matching regex" in what:
        what = "a name is 1 to 64 letters, digits, dots, dashes and underscores"
    return f"{option}: {what}" if option else what
