import pytest

from protocols.rdp.device_files import DeviceLedger, File, outcome_of
from protocols.rdp.wire.devices import Device, DeviceKind, Request, Status

DRIVE = Device(DeviceKind.DRIVE, 1, "C:", b"")
PRINTER = Device(DeviceKind.PRINTER, 2, "Laser 1", b"")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, "ok"),
        (Status.ACCESS_DENIED, "permission denied"),
        (Status.CANCELLED, "incomplete"),
        (0xC0000BAD, "status 0xc0000bad"),
    ],
)
def test_a_status_is_told_in_words(status: int, outcome: str):
    assert outcome_of(status) == outcome


def test_a_file_is_named_as_windows_names_it_and_a_print_as_its_printer():
    assert File(DRIVE, "\\dir\\a").path == "\\\\tsclient\\C\\dir\\a"
    assert File(DRIVE, "").path == "\\\\tsclient\\C\\"
    assert File(PRINTER, "").path == "Laser 1"


def test_nothing_printed_is_no_print():
    ledger = DeviceLedger()
    ledger.finish(File(PRINTER, ""))
    assert ledger.take() == []


def test_what_is_refused_of_a_file_is_told_once():
    ledger, file = DeviceLedger(), File(DRIVE, "a")
    for _ in range(3):
        ledger.refuse(file, "upload")
    assert len(ledger.take()) == 1
    assert ledger.take() == []


def test_one_device_is_given_up_without_the_others():
    ledger = DeviceLedger()
    for device in (1, 2):
        file = File(DRIVE, f"of {device}")
        file.was_read = True
        ledger.opened(device, 7, file)
    ledger.abandon(1)
    assert len(ledger.take()) == 1
    assert ledger.file_of(Request(1, 7, 0, 0)) is None
    assert ledger.file_of(Request(2, 7, 0, 0)) is not None
