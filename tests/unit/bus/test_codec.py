import datetime as dt

import msgspec
import pytest
from samples.chunks import SESSION

from bus import codec
from bus.contract import (
    CommandResult,
    ConnectionLost,
    DenialReason,
    Denied,
    Done,
    EngineStarted,
    Grant,
    HostKeyPolicy,
    HostKeysPinned,
    MessageUser,
    PauseSession,
    PinHostKey,
    RedeemCredential,
    SessionReady,
    TerminateSession,
    WatchSession,
)
from bus.errors import BadMessageError
from recorder.session_info import RecordingTerms, Target, TargetProtocol

TARGET = Target(host="10.0.0.5", port=22, protocol=TargetProtocol.SSH)
REQUESTS = (
    RedeemCredential(
        engine_id="engine-1",
        site="default",
        protocol=TargetProtocol.SSH,
        username="abc-def",
        password_proof=bytes(32),
        client_address="192.0.2.1",
        seal_to=bytes(32),
    ),
    PinHostKey(session_id=SESSION, host_key="ssh-ed25519 AAAA"),
    SessionReady(session_id=SESSION),
    ConnectionLost(session_id=SESSION),
    EngineStarted(engine_id="engine-1", site="default", spooled_sessions=(SESSION,)),
)
REPLIES = (
    Grant(
        session_id=SESSION,
        user="ana",
        secret_name="web",
        target=TARGET,
        terms=RecordingTerms(),
        channels=frozenset({"shell", "exec"}),
        host_key_policy=HostKeyPolicy.TOFU,
        host_keys=(),
        expires_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        sealed_credential=b"sealed",
    ),
    Denied(reason=DenialReason.EXPIRED),
    HostKeysPinned(host_keys=("ssh-ed25519 AAAA",)),
    Done(),
)
COMMANDS = (
    TerminateSession(session_id=SESSION, reason="maintenance"),
    MessageUser(session_id=SESSION, text="hello"),
    PauseSession(session_id=SESSION, paused=True, text="paused"),
    WatchSession(session_id=SESSION, watching=True),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda message: type(message).__name__)
def test_a_request_arrives_as_it_was_sent(request_):
    assert codec.decode_request(codec.encode(request_)) == request_


@pytest.mark.parametrize("reply", REPLIES, ids=lambda message: type(message).__name__)
def test_a_reply_arrives_as_it_was_sent(reply):
    assert codec.decode_reply(codec.encode(reply)) == reply


@pytest.mark.parametrize("command", COMMANDS, ids=lambda message: type(message).__name__)
def test_a_command_arrives_as_it_was_sent(command):
    assert codec.decode_command(codec.encode(command)) == command


def test_a_result_arrives_as_it_was_sent():
    result = CommandResult(done=False, detail="no such session")
    assert codec.decode_result(codec.encode(result)) == result


def test_a_field_of_a_newer_node_is_passed_over():
    newer = msgspec.msgpack.encode({"type": "denied", "reason": "expired", "advice": "wait"})
    assert codec.decode_reply(bytes((codec.VERSION,)) + newer) == Denied(
        reason=DenialReason.EXPIRED
    )


def test_a_message_of_another_version_says_which_node_to_upgrade():
    encoded = codec.encode(Done())
    with pytest.raises(BadMessageError, match="version 2 came, 1 is known: upgrade"):
        codec.decode_reply(b"\x02" + encoded[1:])


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\x01",
        b"\x01\xc1",
        b"\x01\x80",
        b"\x01" + msgspec.msgpack.encode({"type": "denied"}),
        b"\x01" + msgspec.msgpack.encode({"type": "denied", "reason": "a whim"}),
        b"\x01" + b"\x91" * 100_000,
        b"\x01\x82\xa4type\xa6denied\xa6reason\xa2\xff\xfe",
    ],
)
def test_noise_is_a_bad_message(noise: bytes):
    with pytest.raises(BadMessageError):
        codec.decode_reply(noise)


def test_a_command_is_no_request():
    with pytest.raises(BadMessageError):
        codec.decode_request(codec.encode(COMMANDS[0]))


def test_a_message_that_is_too_large_is_not_sent():
    large = MessageUser(session_id=SESSION, text="x" * codec.MAX_MESSAGE_BYTES)
    with pytest.raises(BadMessageError, match="MessageUser has 10486"):
        codec.encode(large)


def test_a_message_that_is_too_large_is_not_read():
    with pytest.raises(BadMessageError, match="refused"):
        codec.decode_reply(b"\x01" + bytes(codec.MAX_MESSAGE_BYTES))


def test_a_bad_message_is_told_without_its_values():
    secret = msgspec.msgpack.encode(
        {"type": "grant", "sealed_credential": 5, "user": "hunter2"}
    )
    encoded = b"\x01" + msgspec.msgpack.encode(secret)
    with pytest.raises(BadMessageError) as raised:
        codec.decode_reply(encoded)
    assert "hunter2" not in str(raised.value)
