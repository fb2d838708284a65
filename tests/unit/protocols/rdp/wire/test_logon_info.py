import pytest
from samples.rdp import share

from protocols.rdp.wire.logon_info import Told, told
from protocols.rdp.wire.slowpath import COMPRESSED, Share

BAD_PASSWORD, CONTINUE = "6d0000c0 00000000", "feffffff 02000000"
COOKIE = "1c000000" + "00" * 28


def saved(info: str, compression: int = 0) -> bytes:
    """A Save Session Info PDU, from its type on."""
    head = bytes(8) + b"\x26" + bytes([compression]) + bytes(2)
    return share(Share.DATA, head + bytes.fromhex(info))


@pytest.mark.parametrize("kind", ["00000000", "01000000", "02000000"])
def test_a_target_tells_that_somebody_is_logged_on(kind: str) -> None:
    assert told(saved(kind + "00" * 576)) is Told.LOGGED_ON


@pytest.mark.parametrize("before", ["02000000", "03000000" + COOKIE])
def test_a_target_tells_that_a_logon_failed(before: str) -> None:
    assert told(saved(f"03000000 0000 {before} 08000000 {BAD_PASSWORD}")) is Told.FAILED


@pytest.mark.parametrize(
    "info",
    [
        f"03000000 0000 02000000 08000000 {CONTINUE}",
        f"03000000 0000 01000000 {COOKIE}",
        "03000000 0000 02000000 08000000 6d00",
        "03000000 0000 01000000 ffffffff 00",
        "09000000",
        "",
    ],
)
def test_other_words_tell_nothing(info: str) -> None:
    assert told(saved(info)) is None


def test_what_is_compressed_or_cut_off_tells_nothing() -> None:
    assert told(saved("00000000" + "00" * 576, COMPRESSED)) is None
    assert told(b"\x06\0\x17\0\0\0") is None
