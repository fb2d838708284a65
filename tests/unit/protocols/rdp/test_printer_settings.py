import hashlib

import pytest
from samples.devices import (
    BOTH_WAYS,
    LASER,
    PRINTER,
    SHARE,
    Conversation,
    announced,
    conversation,
    numbers,
    printer,
    settings_added,
    settings_deleted,
    settings_renamed,
    settings_updated,
)

from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.printer_settings import MAX_BYTES
from protocols.rdp.wire.devices import Kind
from recorder.events import ChannelRefused

DATA = bytes(range(256)) * 64


def refused(talk: Conversation) -> list[str]:
    return [event.detail for event in talk.events if isinstance(event, ChannelRefused)]


@pytest.mark.parametrize("piece_bytes", [7, 1600])
def test_settings_of_a_lent_printer_are_kept_by_the_client_and_recorded(piece_bytes: int):
    said = [
        settings_updated(LASER, DATA),
        settings_renamed(LASER, "Laser 2"),
        settings_updated("Laser 2", b""),
        settings_added("Drawn", DATA),
        settings_deleted("Drawn"),
    ]
    talk = conversation(piece_bytes=piece_bytes).target(*said)
    assert (talk.to_client, refused(talk)) == (said, [])
    assert talk.facts == [
        ("setstat", LASER, len(DATA), "ok"),
        ("rename", LASER, 0, "ok"),
        ("setstat", "Laser 2", 0, "ok"),
        ("setstat", "Drawn", len(DATA), "ok"),
        ("remove", "Drawn", 0, "ok"),
    ]
    assert talk.files[0].sha256 == hashlib.sha256(DATA).digest()
    assert talk.files[1].new_path == "Laser 2"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (settings_updated("other", DATA), "a printer that is not there"),
        (settings_updated(SHARE, DATA), "a printer that is not there"),
        (settings_added("Drawn", DATA, port=b"COM2"), "a printer that is not there"),
        (settings_updated(LASER, bytes(MAX_BYTES + 1)), "larger than any driver's"),
    ],
)
def test_other_settings_reach_nobody_and_that_is_told(said: bytes, why: str):
    talk = conversation().target(said)
    assert (talk.to_client, talk.files) == ([], [])
    [told] = refused(talk)
    assert told.endswith(why)


def test_where_printers_are_not_allowed_none_has_settings():
    talk = Conversation(DeviceTerms(to_target=True, to_client=True))
    talk.client(announced(printer(PRINTER, LASER))).target(settings_updated(LASER, DATA))
    assert talk.to_client == []
    assert f"settings of {LASER}, a printer that is not there" in refused(talk)


def test_a_printer_has_no_endless_names():
    talk = conversation(BOTH_WAYS)
    talk.target(*(settings_renamed(LASER, f"Laser {number}") for number in range(300)))
    assert len(talk.to_client) == 256
    assert refused(talk) == ["more names of printers than are followed"]


def test_behind_a_target_that_begins_anew_its_names_are_gone():
    talk = conversation().target(settings_renamed(LASER, "mine"))
    talk.target(numbers(Kind.SERVER_ANNOUNCE, 0x000C0001, 7)).to_client.clear()
    talk.client(announced(printer(PRINTER, LASER))).target(settings_updated("mine", DATA))
    assert talk.to_client == []


def test_what_is_behind_settings_does_not_go_on():
    said = settings_updated(LASER, DATA)
    assert conversation().target(said + b"more").to_client == [said]
