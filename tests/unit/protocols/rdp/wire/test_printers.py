import pytest
from samples.devices import (
    numbers,
    settings_added,
    settings_deleted,
    settings_renamed,
    settings_updated,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.devices import Kind
from protocols.rdp.wire.printers import Event, Settings, read_settings

DATA = bytes(range(200))
BROTHER = "Brother DCP-1000 USB"


def test_an_added_printer_is_as_the_specification_shows_it():
    said = settings_added(BROTHER, b"", port=b"COM2\0\0:\0")
    read = read_settings(said)
    assert (read.event, read.printer, read.port, read.data) == (1, BROTHER, "COM2", b"")


def test_what_is_kept_changed_and_forgotten_is_read():
    said = settings_updated(BROTHER, DATA)
    assert read_settings(said) == Settings(
        event=Event.UPDATE, printer=BROTHER, data=DATA, size_bytes=len(said)
    )
    assert read_settings(settings_deleted(BROTHER) + b"\0\0").printer == BROTHER
    renamed = read_settings(settings_renamed(BROTHER, "other"))
    assert (renamed.printer, renamed.new_name) == (BROTHER, "other")


@pytest.mark.parametrize(
    "said",
    [
        settings_updated(BROTHER, DATA)[:-1],
        settings_added(BROTHER, DATA)[:-1],
        settings_renamed(BROTHER, "other")[:-1],
        settings_deleted(BROTHER)[:-1],
        numbers(Kind.PRINTER_SETTINGS, 2, 0xFFFF_FFFF, 0),
        numbers(Kind.PRINTER_SETTINGS, 5),
        numbers(Kind.PRINTER_SETTINGS),
    ],
)
def test_what_is_cut_off_or_unknown_makes_no_sense(said: bytes):
    with pytest.raises(RemoteProtocolError):
        read_settings(said)
