import hashlib

import pytest
from samples.devices import (
    DRIVE,
    FILE,
    LASER,
    PRINTER,
    SHARE,
    WRITE_DATA,
    asked,
    close,
    conversation,
    create,
    done,
    numbers,
    opened,
    read,
    renamed_to,
    set_to,
    span,
    was_read,
    write,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.device_files import FILES_LIMIT, REQUESTS_LIMIT
from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.wire.devices import (
    APPEND,
    Device,
    DeviceKind,
    Major,
    Option,
    Setting,
    Status,
)

IN, OUT = DeviceTerms(to_target=True), DeviceTerms(to_client=True)
CREATE, OPEN_IF, OVERWRITE_IF = 2, 3, 5
A, B = f"\\\\tsclient\\{SHARE}\\a", f"\\\\tsclient\\{SHARE}\\dir\\b"
EMPTY = hashlib.sha256(b"").digest()


def denied(completion: int, status: Status = Status.ACCESS_DENIED, on: int = DRIVE) -> bytes:
    return done(completion, 0, status=status, data=b"\0", on=on)


def test_a_file_that_was_written_is_told_with_its_digest():
    talk = conversation().target(create("\\a", access=WRITE_DATA, disposition=CREATE))
    talk.client(opened()).target(write(b"abc", 0)).client(done(2, 3, data=b"\0"))
    talk.target(write(b"de", 3)).client(done(2, 2, data=b"\0"))
    talk.target(close()).client(done(9))
    [touched] = talk.files
    assert talk.facts == [("download", A, 5, "ok")]
    assert touched.sha256 == hashlib.sha256(b"abcde").digest()


def test_an_empty_file_that_was_made_or_read_is_told():
    talk = conversation().target(create("\\a", disposition=CREATE)).client(opened())
    talk.target(close()).client(done(9))
    talk.target(create("\\a")).client(opened())
    talk.target(read(9, 0)).client(done(2, 0, status=Status.END_OF_FILE))
    talk.target(close()).client(done(9))
    assert talk.facts == [("download", A, 0, "ok"), ("upload", A, 0, "ok")]
    assert [touched.sha256 for touched in talk.files] == [EMPTY, EMPTY]


@pytest.mark.parametrize("disposition", [1, OPEN_IF])
def test_a_file_that_was_only_looked_at_is_not_told(disposition: int):
    talk = conversation().target(create("\\a", disposition=disposition)).client(opened())
    look = numbers(4, 0) + bytes(24)
    talk.target(asked(Major.QUERY_INFORMATION, 2, look)).client(done(2, 0))
    talk.target(close()).client(done(9))
    assert talk.files == []
    assert len(talk.to_client) == len(talk.to_target) == 3


def test_what_crosses_out_of_order_has_no_digest():
    talk = conversation().target(create("\\a")).client(opened())
    talk.target(read(3, 3)).client(was_read(b"def")).target(read(3, 0)).client(was_read(b"abc"))
    talk.target(close()).client(done(9))
    assert talk.facts == [("upload", A, 6, "ok")]
    assert talk.files[0].sha256 == b""


def test_what_is_appended_has_a_digest_of_what_crossed():
    talk = conversation().target(create("\\a", access=WRITE_DATA)).client(opened())
    talk.target(write(b"abc", APPEND)).client(done(2, 3)).target(close()).client(done(9))
    assert talk.files[0].sha256 == hashlib.sha256(b"abc").digest()


@pytest.mark.parametrize(
    ("status", "written", "outcome"),
    [
        (Status.DISK_FULL, 0, "disk full"),
        (0xC0000099, 0, "status 0xc0000099"),
        (0, 2, "incomplete"),
    ],
)
def test_a_write_that_fails_is_told_as_one(status: int, written: int, outcome: str):
    talk = conversation().target(create("\\a", access=WRITE_DATA)).client(opened())
    talk.target(write(b"abc", 0)).client(done(2, written, status=status))
    talk.target(close()).client(done(9))
    assert talk.facts == [("download", A, 3, outcome)]


def test_a_file_that_could_not_be_made_is_told_and_one_that_is_not_there_is_not():
    talk = conversation().target(create("\\a", disposition=OVERWRITE_IF))
    talk.client(done(1, 0, status=Status.ACCESS_DENIED))
    talk.target(create("\\a")).client(done(1, 0, status=Status.NO_SUCH_FILE))
    assert talk.facts == [("download", A, 0, "permission denied")]


def test_folders_names_and_removals_are_told():
    talk = conversation()
    talk.target(create("\\a", disposition=CREATE, options=Option.DIRECTORY)).client(opened())
    talk.target(renamed_to("\\dir\\b")).client(done(2, 0))
    talk.target(set_to(Setting.BASIC, bytes(36))).client(done(2, 36))
    talk.target(set_to(Setting.DISPOSITION, b"")).client(done(2, 0))
    talk.target(close()).client(done(9))
    assert [(one.operation, one.path, one.new_path) for one in talk.files] == [
        ("mkdir", A, ""),
        ("rename", A, B),
        ("setstat", B, ""),
        ("rmdir", B, ""),
    ]


def test_a_file_that_is_to_go_when_it_is_closed_is_told_then():
    talk = conversation().target(create("\\a", options=Option.DELETE_ON_CLOSE)).client(opened())
    assert talk.files == []
    talk.target(close()).client(done(9))
    assert talk.facts == [("remove", A, 0, "ok")]


def test_a_removal_that_is_taken_back_is_none():
    talk = conversation().target(create("\\a")).client(opened())
    talk.target(set_to(Setting.DISPOSITION, b"\0")).client(done(2, 1))
    talk.target(close()).client(done(9))
    assert talk.files == []


def test_a_file_that_was_cut_to_a_size_is_told():
    talk = conversation().target(create("\\a", access=WRITE_DATA)).client(opened())
    talk.target(set_to(Setting.END_OF_FILE, bytes(8))).client(done(2, 8))
    talk.target(close()).client(done(9))
    assert talk.facts == [("download", A, 0, "ok")]


def test_where_files_may_only_be_taken_in_nothing_on_the_drive_is_changed():
    talk = conversation(IN)
    talk.target(
        create("\\a", 1, disposition=CREATE),
        create("\\a", 2, access=WRITE_DATA),
        create("\\a", 3, disposition=CREATE, options=Option.DIRECTORY),
        create("\\a", 4, options=Option.DELETE_ON_CLOSE),
    )
    assert talk.to_client == []
    assert talk.to_target == [denied(number) for number in (1, 2, 3, 4)]
    what = ["download", "download", "mkdir", "remove"]
    assert talk.facts == [(one, A, 0, "not allowed") for one in what]


def test_where_files_may_only_be_taken_in_an_open_one_is_not_changed_either():
    talk = conversation(IN).target(create("\\a")).client(opened())
    changes = [
        write(b"abc", 0),
        write(b"def", 3),
        renamed_to("\\b"),
        set_to(Setting.DISPOSITION, b""),
        set_to(Setting.BASIC, bytes(36)),
    ]
    talk.target(*changes)
    assert len(talk.to_client) == 1
    assert talk.to_target[1:] == [denied(2)] * len(changes)
    what = ["download", "rename", "remove", "setstat"]
    assert talk.facts == [(one, A, 0, "not allowed") for one in what]
    talk.target(read(3, 0)).client(was_read(b"abc"), done(9)).target(close()).client(done(9))
    assert talk.facts[-1] == ("upload", A, 3, "ok")


def test_where_files_may_only_be_taken_out_none_is_read():
    talk = conversation(OUT).target(create("\\a")).client(opened())
    talk.target(read(3, 0, 5), read(3, 3, 6))
    assert len(talk.to_client) == 1
    assert talk.to_target[1:] == [denied(5), denied(6)]
    assert talk.facts == [("upload", A, 0, "not allowed")]
    talk.target(write(b"abc", 0)).client(done(2, 3)).target(close()).client(done(9))
    assert talk.facts[-1] == ("download", A, 3, "ok")


def test_what_is_printed_is_told_with_the_name_of_the_printer():
    talk = conversation(DeviceTerms(printers=True))
    talk.target(create("", on=PRINTER)).client(opened(on=PRINTER))
    talk.target(write(b"%!PS", 0, on=PRINTER)).client(done(2, 4, on=PRINTER))
    talk.target(write(b"more", 0, 3, on=PRINTER)).client(done(3, 4, on=PRINTER))
    talk.target(close(on=PRINTER)).client(done(9, on=PRINTER))
    [printed] = talk.files
    assert (printed.operation, printed.path, printed.size_bytes) == ("print", LASER, 8)
    assert printed.sha256 == hashlib.sha256(b"%!PSmore").digest()


def test_a_printer_is_not_read():
    talk = conversation(DeviceTerms(printers=True, to_target=True))
    talk.target(create("", on=PRINTER)).client(opened(on=PRINTER))
    talk.target(asked(Major.READ, 5, span(9, 0), on=PRINTER))
    assert talk.to_target[-1] == denied(5, Status.INVALID_DEVICE_REQUEST, PRINTER)


@pytest.mark.parametrize(
    "setting", [set_to(Setting.BASIC, bytes(36)), close(2), read(1, 0), write(b"", 0)]
)
def test_a_file_that_is_not_open_is_none(setting: bytes):
    talk = conversation().target(setting)
    assert talk.to_client == []
    assert talk.to_target == [denied(2, Status.INVALID_HANDLE)]


def test_hard_links_and_what_else_could_not_be_told_is_refused():
    talk = conversation().target(create("\\a")).client(opened())
    link = numbers(0x0B, 4) + bytes(24) + bytes(4)
    talk.target(asked(Major.SET_INFORMATION, 2, link), asked(0x14, 3, bytes(32)))
    assert talk.to_target[1:] == [
        denied(2, Status.INVALID_DEVICE_REQUEST),
        denied(3, Status.INVALID_DEVICE_REQUEST),
    ]


def test_there_is_a_limit_to_what_is_asked_at_a_time():
    talk = conversation()
    for number in range(REQUESTS_LIMIT):
        talk.target(create("\\a", number))
    talk.target(create("\\a", REQUESTS_LIMIT))
    assert talk.to_target == [denied(REQUESTS_LIMIT, Status.INSUFFICIENT_RESOURCES)]


def test_there_is_a_limit_to_open_files_and_closing_one_makes_room():
    talk = conversation()
    for number in range(FILES_LIMIT):
        talk.target(create("\\a", 1)).client(done(1, number))
    talk.target(create("\\a", 1))
    assert talk.to_target[-1] == denied(1, Status.INSUFFICIENT_RESOURCES)
    heard = len(talk.to_client)
    talk.target(close()).client(done(9)).target(create("\\a", 1))
    assert len(talk.to_client) == heard + 2


def test_a_question_that_is_never_answered_may_be_asked_again():
    talk = conversation().target(create("\\a")).client(opened())
    notify = asked(Major.DIRECTORY, 4, bytes(32))
    assert len(talk.target(notify, notify).to_client) == 3


def test_questions_that_are_never_answered_hinder_nobody():
    talk = conversation().target(create("\\a")).client(opened())
    for number in range(100, 100 + FILES_LIMIT + 1):
        talk.target(asked(Major.DIRECTORY, number, bytes(32)))
    talk.target(read(3, 0)).client(was_read(b"abc"))
    heard = len(talk.to_target)
    talk.client(done(100, 0))
    assert len(talk.to_target) == heard
    talk.client(done(101, 0))
    assert len(talk.to_target) == heard + 1


def test_two_requests_with_one_number_are_an_error():
    talk = conversation().target(create("\\a"))
    with pytest.raises(RemoteProtocolError, match="one number"):
        talk.target(create("\\b"))


def test_more_than_was_asked_for_is_an_error():
    talk = conversation().target(create("\\a")).client(opened()).target(read(2, 0))
    with pytest.raises(RemoteProtocolError, match="more of a file"):
        talk.client(was_read(b"abc"))


@pytest.mark.parametrize("data", [b"ab", b"abc" + bytes(400)])
def test_contents_of_another_size_than_is_said_are_an_error(data: bytes):
    talk = conversation().target(create("\\a")).client(opened())
    with pytest.raises(RemoteProtocolError, match="another size"):
        talk.target(asked(Major.WRITE, 2, span(3, 0) + data))
    with pytest.raises(RemoteProtocolError, match="another size"):
        talk.target(read(9, 0, 3)).client(done(3, 3, data=data))


@pytest.mark.parametrize(
    ("kind", "terms", "allowed"),
    [
        (DeviceKind.DRIVE, IN, True),
        (DeviceKind.DRIVE, OUT, True),
        (DeviceKind.DRIVE, DeviceTerms(printers=True), False),
        (DeviceKind.PRINTER, DeviceTerms(printers=True), True),
        (DeviceKind.PRINTER, IN, False),
        (
            DeviceKind.SMART_CARD,
            DeviceTerms(to_target=True, to_client=True, printers=True),
            False,
        ),
    ],
)
def test_a_kind_of_device_is_let_through_by_its_word(
    kind: DeviceKind, terms: DeviceTerms, *, allowed: bool
) -> None:
    assert terms.allows(Device(kind, 1, "x", b"")) is allowed


def test_a_file_whose_number_is_given_again_was_not_closed():
    talk = conversation().target(create("\\a", disposition=CREATE)).client(opened())
    talk.target(create("\\a", 3)).client(done(3, FILE))
    assert talk.facts == [("download", A, 0, "incomplete")]
