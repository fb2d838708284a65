import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bulk import BulkState, Inflater, UnknownHistoryError

COMPRESSED, AT_FRONT, FLUSHED = 0x21, 0x40, 0x80
SIZE = 65536


class Bits:
    """Writes codes as a sender does ([MS-RDPBCGR] 3.1.8.4.2.2)."""

    def __init__(self) -> None:
        self._bits = ""

    def literals(self, data: bytes) -> "Bits":
        for byte in data:
            self._bits += f"{byte:08b}" if byte < 0x80 else f"10{byte & 0x7F:07b}"
        return self

    def match(self, offset: int, length: int) -> "Bits":
        if offset < 64:
            self._bits += f"11111{offset:06b}"
        elif offset < 320:
            self._bits += f"11110{offset - 64:08b}"
        elif offset < 2368:
            self._bits += f"1110{offset - 320:011b}"
        else:
            self._bits += f"110{offset - 2368:016b}"
        if length == 3:
            self._bits += "0"
        else:
            digits = length.bit_length() - 1
            self._bits += "1" * (digits - 1) + "0" + f"{length - (1 << digits):0{digits}b}"
        return self

    def data(self) -> memoryview:
        padded = self._bits + "0" * (-len(self._bits) % 8)
        return memoryview(bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8)))


def text(inflater: Inflater, bits: Bits, flags: int = COMPRESSED) -> bytes:
    return bytes(inflater.inflate(bits.data(), flags))


@pytest.mark.parametrize("length", [3, 4, 7, 8, 200, 5000, 40000])
@pytest.mark.parametrize("offset", [1, 63, 64, 319, 320, 2367, 2368, 20000])
def test_a_match_repeats_what_stood_before(offset: int, length: int):
    inflater = Inflater()
    before = bytes(range(1, 251)) * 81
    assert text(inflater, Bits().literals(before), COMPRESSED | FLUSHED) == before
    expected = bytearray(before)
    for _ in range(length):
        expected.append(expected[-offset])
    assert text(inflater, Bits().match(offset, length)) == bytes(expected[len(before) :])


def test_behind_the_front_a_match_may_reach_what_was_written_last_time():
    inflater = Inflater()
    text(inflater, Bits().literals(b"x" * (SIZE - 5) + b"abcde"))
    bits = Bits().literals(b"12").match(4, 4)
    assert text(inflater, bits, COMPRESSED | AT_FRONT) == b"12" + b"de12"


def test_what_was_never_written_is_not_made_up():
    with pytest.raises(UnknownHistoryError):
        text(Inflater(), Bits().literals(b"ab").match(5, 3))


def test_what_is_not_compressed_passes_and_is_not_remembered():
    inflater = Inflater()
    assert inflater.inflate(memoryview(b"plain"), 0x01) == b"plain"
    with pytest.raises(UnknownHistoryError):
        text(inflater, Bits().match(2, 3))


def test_a_session_goes_on_from_its_state():
    inflater = Inflater()
    text(inflater, Bits().literals(b"hello "))
    resumed = Inflater(inflater.state())
    assert text(resumed, Bits().match(6, 5)) == b"hello"


def test_behind_a_gap_it_waits_for_the_front():
    inflater = Inflater()
    text(inflater, Bits().literals(b"hello "))
    inflater.lose()
    with pytest.raises(UnknownHistoryError):
        text(inflater, Bits().literals(b"lost"))
    assert (
        text(Inflater(inflater.state()), Bits().literals(b"new"), COMPRESSED | AT_FRONT)
        == b"new"
    )
    assert (
        text(inflater, Bits().literals(b"new").match(3, 3), COMPRESSED | AT_FRONT) == b"newnew"
    )


@pytest.mark.parametrize(
    ("data", "flags"),
    [(b"\xff\xff\xff\xff", COMPRESSED), (b"abc", 0x22), (b"\xff" * 3000, COMPRESSED)],
)
def test_what_is_no_compressed_data_is_refused(data: bytes, flags: int):
    with pytest.raises(MalformedPduError):
        Inflater().inflate(memoryview(data), flags)


def test_a_history_is_never_written_past_its_end():
    inflater = Inflater()
    text(inflater, Bits().literals(b"x" * SIZE))
    with pytest.raises(MalformedPduError, match="does not fit"):
        text(inflater, Bits().literals(b"y"))


def test_a_damaged_state_is_a_gap():
    inflater = Inflater(BulkState(b"no zstd", 7))
    with pytest.raises(UnknownHistoryError):
        text(inflater, Bits().match(1, 3))
