"""Adds to messages.json what is not there yet: `python tests/data/bus/make.py`.

Each message as a node of the version that first had it wrote it. What is there stays as it
is for ever: nodes of that version are still out there.
"""

import datetime as dt
import enum
import json
import re
import sys
from pathlib import Path
from types import UnionType
from typing import Any, get_args
from uuid import UUID

from msgspec import inspect

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from bus import codec, contract  # noqa: E402 - found by the line above

FILE = HERE / "messages.json"
KINDS: dict[str, Any] = {
    "request": contract.Request,
    "reply": contract.Reply,
    "receipt": contract.Receipt,
    "command": contract.Command,
    "result": contract.CommandResult,
}
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
WORDS = ("engine-1", "default", "x" * 16)


def structs(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if isinstance(kind, UnionType) else (kind,)


def name_of(struct: Any) -> str:
    return str(struct.__struct_config__.tag or "command_result")


def example(kind: inspect.Type) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a type
    match kind:
        case inspect.Metadata(type=inner):
            return example(inner)
        case inspect.StrType(pattern=pattern):
            return next(word for word in WORDS if re.search(pattern or "", word))
        case inspect.BytesType(min_length=length):
            return b"k" * (length or 32)
        case inspect.IntType() | inspect.FloatType():
            return 7
        case inspect.BoolType():
            return True
        case inspect.UUIDType():
            return UUID(int=7)
        case inspect.DateTimeType():
            return MOMENT
        case inspect.EnumType(cls=cls):
            return next(iter(member for member in cls if isinstance(member, enum.Enum)))
        case inspect.VarTupleType(item_type=item):
            return (example(item),)
        case inspect.FrozenSetType(item_type=item):
            return frozenset({example(item)})
        case inspect.UnionType(types=types):
            return example(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.StructType(cls=cls, fields=fields):
            return cls(**{field.name: example(field.type) for field in fields})
    raise TypeError(kind)


def main() -> None:
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    for kind, union in KINDS.items():
        messages = known.setdefault(kind, {})
        for struct in structs(union):
            encoded = codec.encode(example(inspect.type_info(struct)))
            messages.setdefault(name_of(struct), encoded.hex())
    FILE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
