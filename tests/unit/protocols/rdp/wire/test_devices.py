import pytest
from samples.devices import (
    LASER,
    announced,
    create,
    device,
    done,
    numbers,
    printer,
    renamed_to,
    was_read,
    wide,
    write,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import devices
from protocols.rdp.wire.devices import Completion, DeviceKind, Kind, Request, Status

DRIVE = DeviceKind.DRIVE


def test_a_request_and_what_it_asks_are_read() -> None:
    message = create("\\a", 5, access=3, disposition=2, options=0x40)
    assert devices.read_request(message) == Request(device=1, file=0, completion=5, major=0)
    asked = devices.read_create(message)
    assert (asked.access, asked.disposition, asked.options) == (3, 2, 0x40)
    assert asked.path == "\\a"


def test_a_place_in_a_file_is_read() -> None:
    span = devices.read_span(write(b"abc", 5 << 32))
    assert (span.size_bytes, span.offset) == (3, 5 << 32)
    assert write(b"abc", 0)[devices.SPAN_BYTES :] == b"abc"


def test_a_new_name_is_read() -> None:
    kind, value = devices.read_setting(renamed_to("\\dir\\ä"))
    assert kind == devices.Setting.RENAME
    assert devices.read_new_path(value) == "\\dir\\ä"


def test_an_answer_is_read_and_written() -> None:
    message = was_read(b"abc", 4)
    assert devices.read_completion(message) == Completion(device=1, completion=4, status=0)
    assert devices.read_answer(message) == 3
    assert message[devices.ANSWER_BYTES :] == b"abc"
    refusal = devices.completion(Request(1, 2, 4, 0), Status.ACCESS_DENIED)
    assert refusal == done(4, 0, status=0xC0000022, data=b"\0")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (device(DRIVE, 1, "C:"), "C:"),
        (device(DRIVE, 1, "longnam", b"longnames\0"), "longnames"),
        (device(DRIVE, 1, "longnam", wide("longnamed ä")), "longnamed ä"),
        (device(DRIVE, 1, "longnam", b"\0"), "longnam"),
        (device(DeviceKind.SMART_CARD, 1, "SCARD"), "SCARD"),
        (printer(1, LASER), LASER),
        (device(0x80, 1, "what"), "what"),
    ],
)
def test_devices_are_read_with_their_long_names(written: bytes, name: str) -> None:
    [one, two] = devices.read_devices(announced(written, written))
    assert (one.name, one.number, one.written) == (name, 1, written)
    assert devices.device_list([one, two]) == announced(written, written)


def test_devices_that_are_gone_are_read_and_written() -> None:
    message = numbers(Kind.DEVICES_GONE, 2, 5, 6)
    assert devices.read_removed(message) == [5, 6]
    assert devices.removal([5, 6]) == message


def test_a_path_without_an_end_is_cut() -> None:
    assert devices.read_create(create("a" * 5000)).path == "a" * 1024 + "…"


@pytest.mark.parametrize(
    "capabilities",
    [
        numbers(Kind.CLIENT_CAPABILITIES, 0),
        numbers(Kind.CLIENT_CAPABILITIES, 1) + b"\1\0\x08\0" + numbers(2),
    ],
)
def test_capabilities_that_say_little_stay_as_they_are(capabilities: bytes) -> None:
    assert devices.one_by_one(capabilities) == capabilities


@pytest.mark.parametrize(
    "message",
    [
        numbers(Kind.CLIENT_CAPABILITIES, 65),
        numbers(Kind.CLIENT_CAPABILITIES, 1) + b"\1\0\3\0",
        numbers(Kind.CLIENT_CAPABILITIES, 1) + b"\1\0\x2c\0",
    ],
)
def test_capabilities_that_make_no_sense_are_an_error(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        devices.one_by_one(message)


def test_a_printer_without_its_names_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError):
        devices.read_devices(announced(device(DeviceKind.PRINTER, 1, "PRN1", bytes(9))))
