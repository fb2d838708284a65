import hashlib

import pytest
from samples.devices import (
    BOTH_WAYS,
    DRIVE,
    LASER,
    PRINTER,
    SHARE,
    Conversation,
    announced,
    asked,
    close,
    conversation,
    create,
    cut,
    device,
    done,
    numbers,
    opened,
    printer,
    read,
    was_read,
    write,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.device_channel import DeviceChannel
from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.wire.devices import DeviceKind, Kind, Major, Status
from recorder.events import ChannelRefused, ForwardGranted

TEXT = bytes(range(256)) * 40
SCARD = device(DeviceKind.SMART_CARD, 3, "SCARD")
COM = device(DeviceKind.SERIAL_PORT, 4, "COM1")
TMP = device(DeviceKind.DRIVE, DRIVE, SHARE)
LASER_1 = printer(PRINTER, LASER)


def refused(talk: Conversation) -> list[str]:
    return [event.detail for event in talk.events if isinstance(event, ChannelRefused)]


def granted(talk: Conversation) -> list[tuple[str, str]]:
    events = [event for event in talk.events if isinstance(event, ForwardGranted)]
    return [(event.request, event.detail) for event in events]


def test_only_devices_that_the_secret_names_are_announced_and_the_others_recorded():
    talk = Conversation(DeviceTerms(to_target=True))
    talk.client(announced(SCARD, TMP, COM, LASER_1))
    assert talk.to_target == [announced(TMP)]
    assert granted(talk) == [("drive", SHARE)]
    assert refused(talk) == ["smart card SCARD", "serial port COM1", f"printer {LASER}"]


def test_where_nothing_is_allowed_the_target_hears_of_no_device():
    talk = Conversation(DeviceTerms())
    talk.client(announced(TMP, LASER_1), announced(TMP))
    assert talk.to_target == [announced(), announced()]
    assert refused(talk) == [f"drive {SHARE}", f"printer {LASER}"]


def test_what_is_announced_again_is_told_once():
    talk = Conversation()
    talk.client(announced(TMP), announced(TMP, LASER_1))
    assert talk.to_target == [announced(TMP), announced(TMP, LASER_1)]
    assert granted(talk) == [("drive", SHARE), ("printer", LASER)]


def test_a_device_keeps_its_number():
    talk = conversation()
    talk.client(announced(device(DeviceKind.DRIVE, PRINTER, "other")))
    assert talk.to_target == [announced()]
    assert refused(talk) == ["drive other, with the number of another device"]


def test_a_device_that_is_gone_is_gone_and_its_files_are_told():
    talk = conversation().target(create("\\a")).client(opened()).target(write(b"x", 0))
    talk.client(numbers(Kind.DEVICES_GONE, 2, DRIVE, 99))
    assert talk.to_target[-1] == numbers(Kind.DEVICES_GONE, 1, DRIVE)
    assert talk.facts == [("download", f"\\\\tsclient\\{SHARE}\\a", 1, "incomplete")]
    talk.target(create("\\b", 5))
    assert talk.to_target[-1] == done(5, 0, status=Status.NO_SUCH_DEVICE, data=b"\0")


def test_a_target_that_begins_anew_has_no_devices():
    talk = conversation().target(create("\\a")).client(opened())
    talk.target(numbers(Kind.SERVER_ANNOUNCE, 0x000C0001, 1))
    talk.client(announced(LASER_1))
    talk.target(create("\\b"))
    assert talk.to_target[-1] == done(1, 0, status=Status.NO_SUCH_DEVICE, data=b"\0")


@pytest.mark.parametrize("piece_bytes", [1600, 37, 1])
def test_contents_pass_as_they_came_and_have_their_digest(piece_bytes: int):
    talk = conversation(piece_bytes=piece_bytes)
    talk.target(create("\\dir\\a.txt")).client(opened())
    for offset in range(0, len(TEXT), 4096):
        talk.target(read(4096, offset)).client(was_read(TEXT[offset : offset + 4096]))
    talk.target(close()).client(done(9))
    [touched] = talk.files
    assert (touched.operation, touched.outcome) == ("upload", "ok")
    assert touched.path == f"\\\\tsclient\\{SHARE}\\dir\\a.txt"
    assert (touched.size_bytes, touched.sha256) == (len(TEXT), hashlib.sha256(TEXT).digest())
    assert b"".join(talk.to_target).count(TEXT[:256]) == len(TEXT) // 256


def test_contents_do_not_wait_until_all_of_them_have_come():
    talk = conversation().target(create("\\a")).client(opened()).target(read(9000, 0))
    first, *rest = cut(was_read(TEXT[:9000]))
    assert talk.channel.take(1, first, from_client=True).onward == [first]
    assert [talk.channel.take(1, one, from_client=True).onward for one in rest] == [
        [one] for one in rest
    ]


def test_a_refused_write_reaches_nobody_and_is_answered_once_it_has_come():
    talk = conversation(DeviceTerms(to_target=True))
    talk.target(create("\\a")).client(opened())
    talk.to_client.clear()
    first, *rest = cut(write(TEXT, 0))
    passed = talk.channel.take(1, first, from_client=False)
    assert (passed.onward, passed.back) == ([], [])
    for one in rest:
        passed = talk.channel.take(1, one, from_client=False)
        assert passed.onward == []
    answer = done(2, 0, status=Status.ACCESS_DENIED, data=b"\0")
    assert passed.back == cut(answer)


def test_the_target_asks_for_one_piece_at_a_time_and_for_no_rights():
    general = b"\1\0\x2c\0" + numbers(2, 0, 0, 0x000C0001, 0xFFFF, 0, 7, 1, 0, 2)
    drives = b"\4\0\x08\0" + numbers(2)
    talk = Conversation().client(numbers(Kind.CLIENT_CAPABILITIES, 2) + drives + general)
    less = b"\1\0\x2c\0" + numbers(2, 0, 0, 0x000C0001, 0x3FFF, 0, 7, 0, 0, 2)
    assert talk.to_target == [numbers(Kind.CLIENT_CAPABILITIES, 2) + drives + less]


@pytest.mark.parametrize(
    ("terms", "passes"), [(BOTH_WAYS, True), (DeviceTerms(to_client=True), False)]
)
def test_printers_are_told_of_xps_where_there_are_any(
    terms: DeviceTerms, *, passes: bool
) -> None:
    said = numbers(Kind.USES_XPS, PRINTER, 0)
    assert conversation(terms).target(said).to_client == ([said] if passes else [])


def test_what_nobody_knows_goes_nowhere_and_is_told_once():
    talk = conversation()
    talk.target(numbers(0x50445052, 1), numbers(Kind.COMPLETION, 1, 1, 0))
    talk.client(numbers(Kind.REQUEST, 1), done(77, 0))
    assert (talk.to_client, talk.to_target) == ([], [])
    assert refused(talk) == ["a message of an unknown kind", "an answer that nobody waits for"]


def test_a_request_that_is_not_recorded_is_answered_in_the_clients_place():
    talk = conversation().target(create("\\a")).client(opened())
    control = asked(Major.CONTROL, 4, numbers(0, 0, 0x900A4) + bytes(20))
    talk.target(control, control)
    answer = done(4, 0, status=Status.INVALID_DEVICE_REQUEST, data=b"\0")
    assert talk.to_target[1:] == [answer, answer]
    assert len(talk.to_client) == 1
    assert refused(talk) == ["a request that is not recorded"]


def test_what_is_under_way_at_the_end_is_told():
    talk = conversation().target(create("\\a")).client(opened())
    talk.target(read(9, 0)).client(was_read(b"abc")).end()
    assert [(one.operation, one.size_bytes, one.outcome) for one in talk.files] == [
        ("upload", 3, "incomplete")
    ]
    assert talk.end().files == talk.files


def test_a_channel_that_rests_is_let_rest():
    channel = DeviceChannel(BOTH_WAYS)
    signal = numbers(0, 0x20)
    assert channel.take(1, signal, from_client=False).onward == [signal]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        numbers(8, 3, Kind.REQUEST),
        numbers(4, 0x200003, Kind.CLIENT_NAME),
        numbers(4, 2, Kind.CLIENT_NAME),
        numbers(9, 1),
        *cut(announced(TMP)[:-3]),
        *cut(numbers(Kind.DEVICES, 0x7FFFFFFF)),
        *cut(numbers(Kind.DEVICES_GONE, 0x7FFFFFFF)),
    ],
)
def test_what_makes_no_sense_is_an_error(data: bytes):
    channel = DeviceChannel(BOTH_WAYS)
    with pytest.raises(RemoteProtocolError):
        channel.take(1, data, from_client=True)


def test_a_message_without_an_end_is_an_error():
    channel = DeviceChannel(BOTH_WAYS)
    first, second, *_ = cut(numbers(Kind.CLIENT_NAME) + bytes(2_000_000), 600_000)
    channel.take(1, first, from_client=True)
    with pytest.raises(RemoteProtocolError, match="without an end"):
        channel.take(1, second, from_client=True)
