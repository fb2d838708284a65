import pytest
from samples.rdp import core

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.client_core import ClientCore, for_target
from protocols.rdp.wire.x224 import Security


def test_screen_and_keyboard_are_read():
    read = ClientCore.read(core(width=1280, height=1024))
    assert (read.width_px, read.height_px) == (1280, 1024)
    assert (read.keyboard_layout, read.keyboard_type) == (0x0407, 4)


def test_the_depth_is_what_the_client_asks_for_last():
    assert ClientCore.read(core(0x0002)).colour_depth_bits == 32
    assert ClientCore.read(core(0x0000)).colour_depth_bits == 24
    assert ClientCore.read(core()[:128] + b"\x03\xca").colour_depth_bits == 16
    assert ClientCore.read(core()[:128]).colour_depth_bits == 8


@pytest.mark.parametrize("block", [None, b"", bytes(127)])
def test_a_client_without_a_screen_is_refused(block: bytes | None):
    with pytest.raises(RemoteProtocolError):
        ClientCore.read(block)


def test_a_network_that_cannot_be_detected_is_called_a_local_one():
    detected = bytearray(core())
    detected[206] = 7
    assert for_target(bytes(detected), Security.TLS)[206] == 6
    detected[206] = 2
    assert for_target(bytes(detected), Security.TLS)[206] == 2


def test_a_short_block_of_an_old_client_stays_short():
    assert for_target(core()[:136], Security.TLS) == core()[:136]
