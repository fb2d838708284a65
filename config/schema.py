"""What may be set, and in plain words what each setting may be. Made from the model."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from config.model import Settings

_NOUNS: Final = {inspect.BoolType: "true or false", inspect.CustomType: "a path"}
_WITH_QUOTES: Final = (
    inspect.StrType,
    inspect.CustomType,
    inspect.EnumType,
    inspect.LiteralType,
)
_WITHOUT_QUOTES: Final = (inspect.IntType, inspect.FloatType, inspect.BoolType)
ABOVE = ""
"""Stands for the place above the first table."""


def _types(table: type[Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(table)}


TABLES: dict[str, type[Struct]] = {
    name: kind
    for name, kind in _types(Settings).items()
    if isinstance(kind, type) and issubclass(kind, Struct)
}
KEYS: dict[str, dict[str, Any]] = {
    ABOVE: {name: kind for name, kind in _types(Settings).items() if name not in TABLES},
    **{name: _types(kind) for name, kind in TABLES.items()},
}
"""The annotated type of every key, by table."""


def is_list(table: str, key: str) -> bool:
    """Say whether the setting takes several values."""
    return isinstance(inspect.type_info(KEYS[table][key]), inspect.VarTupleType)


def is_table(table: str, key: str) -> bool:
    """Say whether the setting takes names, each with a value."""
    return isinstance(inspect.type_info(KEYS[table][key]), inspect.DictType)


def allowed(table: str, key: str) -> str:
    """Return what the setting may be, to go behind "expected"."""
    return _describe(inspect.type_info(KEYS[table][key]))


def wanted(table: str, key: str, given: object) -> str:
    """Return what the setting may be, and whether what stands in the file lacks quotes."""
    words, kind = allowed(table, key), _bare(inspect.type_info(KEYS[table][key]))
    if isinstance(kind, _WITH_QUOTES) and not isinstance(given, str):
        return "text in quotes" + f", {words}".removesuffix(", text")
    if isinstance(kind, _WITHOUT_QUOTES) and isinstance(given, str):
        return f"{words}, without quotes"
    return words


def looks_like(word: str, known: Iterable[str]) -> bool:
    """Say whether `word` is most likely one of `known` with a slip in it."""
    return bool(get_close_matches(word, known, n=1, cutoff=0.8))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return what may have been meant by `word`, else all that is known."""
    meant = get_close_matches(word, known, n=1)
    return f"did you mean `{meant[0]}`?" if meant else f"known are {', '.join(sorted(known))}"


def _bare(kind: inspect.Type) -> inspect.Type:
    """Return the type without what is said about it, and without None."""
    match kind:
        case inspect.Metadata(type=inner):
            return _bare(inner)
        case inspect.UnionType(types=types):
            return _bare(next(one for one in types if not isinstance(one, inspect.NoneType)))
    return kind


def _describe(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra_json_schema={"description": str(description)}):
            return description
        case inspect.VarTupleType() | inspect.DictType():
            return _describe_many(kind)
        case inspect.UnionType():
            return _describe(_bare(kind))
        case inspect.EnumType() | inspect.LiteralType():
            return f"one of {', '.join(_words(kind))}"
        case inspect.IntType() | inspect.FloatType():
            return _describe_number(kind)
    return _NOUNS.get(type(kind), "text")


def _describe_many(kind: inspect.VarTupleType | inspect.DictType) -> str:
    if isinstance(kind, inspect.DictType):
        return f"a table of names, each with {_describe(kind.value_type)}"
    least = f" of at least {kind.min_length}" if kind.min_length else ""
    return f"a list{least}, each item {_describe(kind.item_type)}"


def _words(kind: inspect.EnumType | inspect.LiteralType) -> list[str]:
    values = kind.cls if isinstance(kind, inspect.EnumType) else kind.values
    return [str(value) for value in values]


def _describe_number(kind: inspect.IntType | inspect.FloatType) -> str:
    noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    bounds = ((">", kind.gt), (">=", kind.ge), ("<", kind.lt), ("<=", kind.le))
    limits = [f"{sign} {bound:.15g}" for sign, bound in bounds if bound is not None]
    return " ".join([noun, " and ".join(limits)]).strip()
