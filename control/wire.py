"""How operators and a node talk over `control.sock`: frames of MessagePack.

    u32 size, big-endian | body

The client sends one request. The node answers with any number of results, then the end
or a failure. A failure carries the kind of error, so that the command line's exit code
is the same whether a node answered or not.
"""

import asyncio
import socket
from typing import get_args

import msgspec
from msgspec import Struct

from control import errors
from control.answers import Result
from control.errors import ControlError, InvalidError, UnreachableError
from control.requests import OperatorRequest

MAX_REQUEST_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 64 * 1024 * 1024
"""A chunk is 16 MiB at most before it is packed."""
_SIZE_BYTES = 4


class Item(Struct, frozen=True, kw_only=True, tag="item"):
    """One result, and the name of its struct in `control.requests`."""

    kind: str
    body: msgspec.Raw


class End(Struct, frozen=True, kw_only=True, tag="end"):
    """No more results."""


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """It failed; `kind` names the class in `control.errors`."""

    kind: str
    message: str


Answer = Item | End | Failed

_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(OperatorRequest)
_answer_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_RESULTS: dict[str, type[Result]] = {kind.__name__: kind for kind in get_args(Result)}
_FAILURES: dict[str, type[ControlError]] = {
    kind.__name__: kind
    for kind in (
        errors.ControlError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.InvalidError,
        errors.DeniedError,
        errors.UnreachableError,
        errors.IntegrityError,
    )
}


def encode_request(request: OperatorRequest) -> bytes:
    """Return the body of a request."""
    return _encoder.encode(request)


def decode_request(body: bytes) -> OperatorRequest:
    """Return the request; raise `InvalidError` where a field is not what it must be."""
    try:
        request: OperatorRequest = _request_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        # A field that nobody knows may nest without an end.
        raise InvalidError(f"the request makes no sense: {error}") from error
    return request


def encode_item(result: Result) -> bytes:
    """Return the body of one result."""
    body = msgspec.Raw(_encoder.encode(result))
    return _encoder.encode(Item(kind=type(result).__name__, body=body))


def encode_end() -> bytes:
    """Return the body that ends the results."""
    return _encoder.encode(End())


def encode_failure(error: ControlError) -> bytes:
    """Return the body of a failure."""
    known = next(kind for kind in type(error).__mro__ if kind.__name__ in _FAILURES)
    return _encoder.encode(Failed(kind=known.__name__, message=str(error)))


def decode_answer(body: bytes) -> Result | None:
    """Return a result, or None for the end; raise the error that the node met."""
    try:
        answer = _answer_decoder.decode(body)
        match answer:
            case Item(kind=kind, body=packed) if kind in _RESULTS:
                return msgspec.msgpack.decode(packed, type=_RESULTS[kind])
            case End():
                return None
            case Failed(kind=kind, message=message):
                raise _FAILURES.get(kind, ControlError)(message)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_understood() from error
    raise _not_understood()


def framed(body: bytes) -> bytes:
    """Return `body` with its size in front."""
    return len(body).to_bytes(_SIZE_BYTES, "big") + body


async def read_body(reader: asyncio.StreamReader, limit_bytes: int) -> bytes:
    """Return the next body; raise `InvalidError` for one too large, `EOFError` for none."""
    size = int.from_bytes(await reader.readexactly(_SIZE_BYTES), "big")
    if size > limit_bytes:
        raise InvalidError(f"the request has {size} bytes; the limit is {limit_bytes}")
    return await reader.readexactly(size)


def receive_body(connection: socket.socket, limit_bytes: int) -> bytes:
    """Return the next body, blocking; raise `UnreachableError` where the node went away."""
    size = int.from_bytes(_receive(connection, _SIZE_BYTES), "big")
    if size > limit_bytes:
        raise _not_understood()
    return _receive(connection, size)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = connection.recv(min(size - len(received), 1 << 20))
        if not data:
            raise UnreachableError(
                "proxyd went away before it had answered; see its log, and try again"
            )
        received += data
    return bytes(received)


def _not_understood() -> UnreachableError:
    return UnreachableError(
        "proxyd answered in a way this command line does not understand: the two are of "
        "different versions; restart the service"
    )
