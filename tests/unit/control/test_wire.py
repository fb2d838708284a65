import socket
from uuid import UUID

import msgspec
import pytest

from control import errors, wire
from control.requests import (
    Done,
    ListSessions,
    SearchSessions,
    ShowSession,
    StoredChunk,
)
from control.state_lock import StateDirHeldError

from .conftest import web1


@pytest.mark.parametrize(
    "request_", [web1(), ListSessions(live=True), ShowSession(id=UUID(int=1))]
)
def test_a_request_arrives_as_it_was_sent(request_):
    assert wire.decode_request(wire.encode_request(request_)) == request_


@pytest.mark.parametrize(
    "bad",
    [
        web1(name="no spaces"),
        web1(port=0),
        SearchSessions(text=""),
        ListSessions(limit=0),
    ],
)
def test_a_field_that_is_not_what_it_must_be_is_named(bad):
    with pytest.raises(errors.InvalidError, match=r"at `\$\."):
        wire.decode_request(wire.encode_request(bad))


NESTED = b"\x82\xa3ask\xabListSecrets\xa1x" + b"\x91" * 500_000 + b"\xc0"


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91" * 500_000, NESTED])
def test_noise_is_no_request(body):
    with pytest.raises(errors.InvalidError):
        wire.decode_request(body)


def test_no_password_is_in_the_complaint():
    with pytest.raises(errors.InvalidError) as refused:
        wire.decode_request(wire.encode_request(web1(port=0)))
    assert web1().password not in str(refused.value)


def test_a_result_arrives_as_it_was_sent():
    chunk = StoredChunk(sequence=1, digest=bytes(32), encoded=b"\x00\xff")
    for result in (chunk, Done(detail="so")):
        assert wire.decode_answer(wire.encode_item(result)) == result
    assert wire.decode_answer(wire.encode_end()) is None


@pytest.mark.parametrize("kind", errors.ControlError.__subclasses__())
def test_an_error_arrives_as_what_it_was(kind):
    with pytest.raises(kind, match="what and why"):
        wire.decode_answer(wire.encode_failure(kind("what and why")))


def test_an_error_of_a_finer_kind_arrives_as_its_broader_one():
    with pytest.raises(errors.ConflictError, match="held"):
        wire.decode_answer(wire.encode_failure(StateDirHeldError("held")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"type": "item", "kind": "Unheard", "body": {}}),
        msgspec.msgpack.encode({"type": "item", "kind": "Done", "body": {"detail": 1}}),
    ],
)
def test_an_answer_of_another_version_says_so(body):
    with pytest.raises(errors.UnreachableError, match="different versions; restart"):
        wire.decode_answer(body)


@pytest.mark.parametrize("sent", [b"", b"\x00\x00\x00\x05abc"])
def test_a_node_that_dies_in_mid_answer_is_no_end(sent):
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(sent)
        with pytest.raises(errors.UnreachableError, match="went away before it had answered"):
            wire.receive_body(ours, 100)


def test_an_endless_answer_is_not_read():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\xff\xff\xff\xff")
        with pytest.raises(errors.UnreachableError, match="different versions"):
            wire.receive_body(ours, 100)
