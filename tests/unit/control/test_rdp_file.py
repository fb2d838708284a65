import datetime as dt

import pytest

from control.rdp_file import rdp_file
from control.requests import IssuedCredential
from control.secrets import CHANNELS, DEFAULT_CHANNELS
from recorder.session_info import TargetProtocol

WORDS = CHANNELS[TargetProtocol.RDP]
NOTHING = {
    "redirectclipboard:i:0",
    "redirectdrives:i:0",
    "drivestoredirect:s:",
    "redirectprinters:i:0",
    "audiomode:i:2",
    "audiocapturemode:i:0",
    "dynamic resolution:i:0",
}
CLIPBOARD = {"redirectclipboard:i:1"}
DRIVES = {"redirectdrives:i:1", "drivestoredirect:s:*"}
OFFERED = {
    **{word: CLIPBOARD for word in WORDS if word.startswith("clipboard")},
    "drives": DRIVES,
    "drives-in": DRIVES,
    "drives-out": DRIVES,
    "printers": {"redirectprinters:i:1"},
    "audio": {"audiomode:i:0"},
    "microphone": {"audiocapturemode:i:1"},
    "dynamic": {"dynamic resolution:i:1"},
    "redirection": set(),
    "old-tls": set(),
}


def lines_of(*channels: str, host: str = "gate.example") -> list[str]:
    issued = IssuedCredential(
        id="c1",
        username="4nwfvf2nzjs8a",
        password="jsOWFXqvCBKFHLUUPIE2Xc42",
        host=host,
        port=3390,
        protocol=TargetProtocol.RDP,
        expires_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        uses=1,
        commands={},
        channels=channels,
    )
    text = rdp_file(issued).decode()
    assert issued.password not in text
    return text.split("\r\n")


@pytest.mark.parametrize(
    ("host", "address"), [("gate.example", "gate.example"), ("2001:db8::1", "[2001:db8::1]")]
)
def test_mstsc_is_told_where_and_who_and_no_password(host, address):
    lines = lines_of(host=host)
    assert f"full address:s:{address}:3390" in lines
    assert "username:s:4nwfvf2nzjs8a" in lines
    assert "enablecredsspsupport:i:1" in lines
    assert "autoreconnection enabled:i:1" in lines


@pytest.mark.parametrize("word", WORDS)
def test_what_a_word_lets_through_is_offered_and_nothing_else(word):
    names = {line.rpartition(":")[0] for line in OFFERED[word]}
    withheld = {line for line in NOTHING if line.rpartition(":")[0] not in names}
    lines = set(lines_of(word))
    assert lines >= OFFERED[word] | withheld
    assert not lines & (NOTHING - withheld)


def test_by_default_the_clipboard_is_all_that_is_offered():
    assert set(lines_of(*DEFAULT_CHANNELS[TargetProtocol.RDP])) == set(lines_of("clipboard"))


@pytest.mark.parametrize("channels", [(), WORDS])
def test_ports_and_smart_cards_are_never_offered(channels):
    lines = lines_of(*channels)
    assert {"redirectcomports:i:0", "redirectsmartcards:i:0"} <= set(lines)
    names = [line.rpartition(":")[0] for line in lines if line]
    assert len(names) == len(set(names))
