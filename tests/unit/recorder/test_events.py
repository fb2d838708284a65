import inspect
import typing

import msgspec
import pytest
from samples.chunks import INFO

from recorder import events
from recorder.errors import CorruptChunkError
from recorder.events import (
    KNOWN_KINDS,
    ClientData,
    KnownEvent,
    SessionStarted,
    TargetData,
    UnknownEvent,
    decode_burst,
    encode_burst,
)

TYPED = ClientData(at_ms=5, channel=0, data=b"\xff\x00")


def test_a_burst_comes_back_as_it_went():
    burst = [SessionStarted(at_ms=0, info=INFO), TYPED]
    assert decode_burst(encode_burst(burst)) == burst


def test_an_event_is_short_on_the_wire():
    assert msgspec.msgpack.decode(encode_burst([TYPED])) == [[10, 5, 0, b"\xff\x00", 0]]


def test_an_event_of_an_older_node_lacks_its_newer_fields():
    assert decode_burst(msgspec.msgpack.encode([[10, 5, 0, b"\xff\x00"]])) == [TYPED]


def test_an_event_of_a_newer_node_may_have_more_fields():
    more = msgspec.msgpack.encode([[10, 5, 0, b"\xff\x00", 0, "new"]])
    assert decode_burst(more) == [TYPED]


def test_an_unknown_kind_is_carried_as_it_came():
    unknown = msgspec.msgpack.encode([200, 9, "hello"])
    burst = b"\x92" + unknown + msgspec.msgpack.encode([10, 5, 0, b"\xff\x00", 0])
    assert decode_burst(burst) == [UnknownEvent(at_ms=9, body=unknown), TYPED]


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"no": "array"}),
        msgspec.msgpack.encode([[10, -1, 0, b"x"]]),
        msgspec.msgpack.encode([[10, 5, "zero", b"x"]]),
        msgspec.msgpack.encode([[200]]),
        msgspec.msgpack.encode([[200, -5]]),
        msgspec.msgpack.encode([5]),
    ],
)
def test_noise_is_no_burst(noise: bytes):
    with pytest.raises(CorruptChunkError):
        decode_burst(noise)


def test_each_kind_has_a_number_of_its_own():
    kinds = typing.get_args(KnownEvent)
    assert sorted(kind.__struct_config__.tag for kind in kinds) == sorted(KNOWN_KINDS)
    declared = {
        kind
        for _, kind in inspect.getmembers(events, inspect.isclass)
        if issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag is not None
    }
    assert declared >= set(kinds)


def test_output_need_not_be_text():
    shown = TargetData(at_ms=0, channel=0, data=bytes(range(256)))
    assert decode_burst(encode_burst([shown])) == [shown]
