import pytest
from samples.devices import cut, numbers

from protocols.errors import RemoteProtocolError
from protocols.rdp.sound_channel import SoundChannel

FORMATS = b"\7\0\x20\0" + numbers(3, 0xFFFF, 0) + b"%b" + b"\1\0\0\6\0\0" + bytes(2000)


def test_no_sound_is_sent_past_the_recording() -> None:
    named, none = cut(FORMATS % b"\x15\xb3"), cut(FORMATS % b"\0\0")
    channel = SoundChannel()
    passed = [channel.take(1, one, from_client=True).onward for one in named]
    assert passed == [[one] for one in none]
    assert channel.end(2) == []


def test_what_else_is_said_passes() -> None:
    channel = SoundChannel()
    [training], [named] = cut(b"\6\0\4\0" + bytes(4)), cut(FORMATS[:20])
    assert channel.take(1, training, from_client=True).onward == [training]
    assert channel.take(1, named, from_client=False).onward == [named]


def test_a_channel_that_rests_is_let_rest() -> None:
    signal = numbers(0, 0x21)
    assert SoundChannel().take(1, signal, from_client=True).onward == [signal]


@pytest.mark.parametrize("data", [b"", *cut(b"\7\0\x20\0" + bytes(13))])
def test_what_is_cut_off_is_an_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        SoundChannel().take(1, data, from_client=True)
