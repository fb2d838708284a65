import json
import typing
from pathlib import Path

import msgspec
import pytest

from bus import codec
from bus.contract import Command, CommandResult, Receipt, Reply, Request
from bus.errors import BadMessageError


def test_each_message_has_a_name_of_its_own():
    messages = [
        *typing.get_args(Request),
        *typing.get_args(Reply),
        *typing.get_args(Command),
        CommandResult,
    ]
    names = [message.__struct_config__.tag for message in messages]
    assert len(set(names)) == len(names)


def test_a_message_cannot_be_changed_once_made():
    for message in (*typing.get_args(Request), *typing.get_args(Reply)):
        assert message.__struct_config__.frozen


GOLDEN = json.loads((Path(__file__).parents[2] / "data/bus/messages.json").read_text())
"""Each message as the version that first had it wrote it: see make.py beside it."""
DECODE = {
    "request": codec.decode_request,
    "reply": codec.decode_reply,
    "receipt": codec.decode_receipt,
    "command": codec.decode_command,
    "result": codec.decode_result,
}
UNIONS = {
    "request": Request,
    "reply": Reply,
    "receipt": Receipt,
    "command": Command,
    "result": CommandResult,
}
MESSAGES = [
    pytest.param(kind, bytes.fromhex(encoded), id=f"{kind}-{name}")
    for kind, messages in GOLDEN.items()
    for name, encoded in messages.items()
]


def fields(message: bytes) -> dict[str, object]:
    return msgspec.msgpack.decode(message[1:])


def known_then(now: object, then: object) -> object:
    """Return `now` without the fields, at any depth, that `then` did not have yet."""
    if not isinstance(now, dict) or not isinstance(then, dict):
        return now
    return {key: known_then(now[key], then[key]) for key in then}


def packed(content: dict[str, object]) -> bytes:
    return bytes((codec.VERSION,)) + msgspec.msgpack.encode(content)


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_what_an_older_node_wrote_means_what_it_meant(kind: str, message: bytes) -> None:
    now = fields(codec.encode(DECODE[kind](message)))
    then = fields(message)
    assert known_then(now, then) == then


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_a_field_of_a_newer_node_is_passed_over(kind: str, message: bytes) -> None:
    newer = packed(fields(message) | {"of_the_future": {"anything": [1, None]}})
    assert DECODE[kind](newer) == DECODE[kind](message)


@pytest.mark.parametrize("kind", ["request", "reply", "receipt", "command"])
def test_a_message_of_a_newer_node_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(BadMessageError, match="rotate_the_moon"):
        DECODE[kind](packed({"type": "rotate_the_moon"}))


def test_every_message_is_kept_for_the_versions_to_come() -> None:
    for kind, union in UNIONS.items():
        structs = typing.get_args(union) or (union,)
        names = {str(one.__struct_config__.tag or "command_result") for one in structs}
        assert names == set(GOLDEN[kind]), "run tests/data/bus/make.py"
