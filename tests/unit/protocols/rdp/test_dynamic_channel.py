import pytest
from samples.devices import cut, numbers

from protocols.errors import RemoteProtocolError
from protocols.rdp.dynamic_channel import DynamicChannels
from protocols.rdp.followed import Passed
from recorder.events import ChannelRefused, ForwardGranted

DISPLAY = "Microsoft::Windows::RDS::DisplayControl"
GRAPHICS = "Microsoft::Windows::RDS::Graphics"


@pytest.fixture
def channels() -> DynamicChannels:
    return DynamicChannels(frozenset({DISPLAY}))


def target(channels: DynamicChannels, message: bytes) -> Passed:
    [piece] = cut(message)
    return channels.take(3, piece, from_client=False)


def client(channels: DynamicChannels, message: bytes) -> Passed:
    [piece] = cut(message)
    return channels.take(3, piece, from_client=True)


def create(number: int, name: str) -> bytes:
    return bytes([0x10, number]) + name.encode() + b"\0"


def created(number: int, status: int = 0) -> bytes:
    return bytes([0x10, number]) + numbers(status)


def refused(passed: Passed) -> list[str]:
    return [event.detail for event in passed.events if isinstance(event, ChannelRefused)]


def opened(channels: DynamicChannels, number: int = 1) -> None:
    target(channels, create(number, DISPLAY))
    client(channels, created(number))


def test_a_channel_that_is_listed_is_opened_and_recorded(channels: DynamicChannels) -> None:
    passed = target(channels, create(1, DISPLAY))
    assert (passed.onward, passed.back) == (cut(create(1, DISPLAY)), [])
    assert passed.events == [ForwardGranted(at_ms=3, request="dynamic channel", detail=DISPLAY)]
    assert client(channels, created(1)).onward == cut(created(1))
    for say in (target, client):
        assert say(channels, b"\x30\x01data").onward == cut(b"\x30\x01data")


def test_another_one_is_refused_in_the_clients_place(channels: DynamicChannels) -> None:
    passed = target(channels, create(1, GRAPHICS))
    assert (passed.onward, passed.back) == ([], cut(created(1, 0x80070005)))
    assert passed.events == [
        ChannelRefused(at_ms=3, kind="drdynvc", detail=GRAPHICS, reason="not allowed")
    ]
    assert target(channels, create(2, GRAPHICS)).events == []
    for say in (target, client):
        assert say(channels, b"\x30\x01data").onward == []


def test_data_of_a_channel_that_the_client_does_not_know_go_nowhere(
    channels: DynamicChannels,
) -> None:
    target(channels, create(1, DISPLAY))
    client(channels, created(1, 0xC0000001))
    passed = target(channels, b"\x30\x01data")
    assert (passed.onward, refused(passed)) == ([], ["data of a channel that is not open"])


def test_a_channel_is_closed_once_both_have_said_so(channels: DynamicChannels) -> None:
    opened(channels)
    assert target(channels, b"\x40\x01").onward == cut(b"\x40\x01")
    assert client(channels, b"\x30\x01late").onward == cut(b"\x30\x01late")
    assert client(channels, b"\x40\x01").onward == cut(b"\x40\x01")
    assert client(channels, b"\x30\x01data").onward == []
    assert client(channels, b"\x40\x01").onward == []


def test_a_number_is_free_once_its_channel_is_closed(channels: DynamicChannels) -> None:
    opened(channels)
    with pytest.raises(RemoteProtocolError, match="twice"):
        target(channels, create(1, DISPLAY))
    client(channels, b"\x40\x01")
    assert target(channels, create(1, GRAPHICS)).onward == []
    assert target(channels, b"\x30\x01data").onward == []


def test_neither_side_learns_that_the_other_one_compresses(channels: DynamicChannels) -> None:
    asked = b"\x50\0\3\0" + bytes(8)
    assert target(channels, asked).onward == cut(b"\x50\0\2\0" + bytes(8))
    opened(channels)
    passed = target(channels, b"\x70\x01\xe0\x06data")
    assert (passed.onward, refused(passed)) == ([], ["a message of kind 7"])


def test_nothing_moves_to_another_connection(channels: DynamicChannels) -> None:
    passed = target(channels, b"\x80\0" + numbers(8) + b"\1\0\0\0")
    assert (passed.onward, refused(passed)) == ([], ["a message of kind 8"])


def test_a_message_in_pieces_is_one(channels: DynamicChannels) -> None:
    first, second = cut(create(1, DISPLAY), 30)
    assert channels.take(3, first, from_client=False).onward == []
    assert channels.take(3, second, from_client=False).onward == [first, second]


def test_the_next_target_begins_anew(channels: DynamicChannels) -> None:
    opened(channels)
    assert channels.end(4) == []
    assert target(channels, b"\x30\x01data").onward == []


def test_there_is_a_limit_to_what_is_open(channels: DynamicChannels) -> None:
    for number in range(256):
        assert target(channels, create(number, DISPLAY)).onward
    wide = b"\x11\x00\x01" + DISPLAY.encode() + b"\0"
    assert target(channels, wide).back


def test_a_message_without_an_end_is_an_error(channels: DynamicChannels) -> None:
    first, second, *_ = cut(create(1, "x" * 80_000), 40_000)
    channels.take(3, first, from_client=False)
    with pytest.raises(RemoteProtocolError, match="without an end"):
        channels.take(3, second, from_client=False)


def test_a_channel_that_rests_is_let_rest(channels: DynamicChannels) -> None:
    signal = numbers(0, 0x40)
    assert channels.take(3, signal, from_client=False).onward == [signal]


SOUND = "AUDIO_PLAYBACK_DVC"
FORMATS = b"\7\0\x20\0" + numbers(3, 0xFFFF, 0) + b"%b" + b"\1\0\0\6\0\0"


@pytest.fixture
def heard() -> DynamicChannels:
    channels = DynamicChannels(frozenset({SOUND}))
    target(channels, create(1, SOUND))
    client(channels, created(1))
    return channels


def test_no_sound_is_sent_past_the_recording(heard: DynamicChannels) -> None:
    named, none = b"\x30\x01" + FORMATS % b"\x15\xb3", b"\x30\x01" + FORMATS % b"\0\0"
    assert client(heard, named).onward == cut(none)
    assert target(heard, named).onward == cut(named)
    later = b"\x30\x01" + bytes(4)
    assert client(heard, later).onward == cut(later)


def test_no_sound_is_sent_past_it_either_where_its_formats_come_in_parts(
    heard: DynamicChannels,
) -> None:
    def first(port: bytes) -> bytes:
        return b"\x24\x01" + (24 + 4).to_bytes(2, "little") + FORMATS % port

    # What looks like formats within a message is none.
    rest = b"\x30\x01\7\1\1\1"
    assert client(heard, first(b"\x15\xb3")).onward == cut(first(b"\0\0"))
    assert client(heard, rest).onward == cut(rest)
    with pytest.raises(RemoteProtocolError, match="cut off"):
        client(heard, rest)
