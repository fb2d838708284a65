"""Messages as bytes: the envelope that every broker carries, the in-process one too.

    u8 version | MessagePack map with the message's name as `type`

A message that is too large, of another version or not what the reader expects raises
`BadMessageError`; nothing of it is used. `docs/formats/bus.md` lists the messages.
"""

from typing import Final, TypeVar

import msgspec

from bus.contract import Command, CommandResult, Receipt, Reply, Request
from bus.errors import BadMessageError

VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""The largest message is a grant with a sealed private key; that is a few KiB."""

_Message = TypeVar("_Message")

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)
_receipts: msgspec.msgpack.Decoder[Receipt] = msgspec.msgpack.Decoder(Receipt)
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_results: msgspec.msgpack.Decoder[CommandResult] = msgspec.msgpack.Decoder(CommandResult)


def encode(message: Request | Reply | Receipt | Command | CommandResult) -> bytes:
    """Return the message's bytes; raise `BadMessageError` where it is too large."""
    encoded = bytes((VERSION,)) + _encoder.encode(message)
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise BadMessageError(
            f"{type(message).__name__} has {len(encoded)} bytes, more than {MAX_MESSAGE_BYTES}"
        )
    return encoded


def decode_request(encoded: bytes) -> Request:
    """Return what an engine asks of control; raise `BadMessageError`."""
    return _decode(_requests, encoded)


def decode_reply(encoded: bytes) -> Reply:
    """Return what control answered; raise `BadMessageError`."""
    return _decode(_replies, encoded)


def decode_receipt(encoded: bytes) -> Receipt:
    """Return what became of a chunk; raise `BadMessageError`."""
    return _decode(_receipts, encoded)


def decode_command(encoded: bytes) -> Command:
    """Return what control tells an engine; raise `BadMessageError`."""
    return _decode(_commands, encoded)


def decode_result(encoded: bytes) -> CommandResult:
    """Return what an engine made of a command; raise `BadMessageError`."""
    return _decode(_results, encoded)


def _decode(decoder: msgspec.msgpack.Decoder[_Message], encoded: bytes) -> _Message:
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise BadMessageError(f"a message of {len(encoded)} bytes is refused")
    if not encoded or encoded[0] != VERSION:
        came = encoded[0] if encoded else "none"
        raise BadMessageError(
            f"a message of version {came} came, {VERSION} is known: upgrade the older node"
        )
    try:
        return decoder.decode(memoryview(encoded)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The reason names a place and at most an unknown word there, never a secret's value.
        raise BadMessageError(f"not a message: {error}") from error
