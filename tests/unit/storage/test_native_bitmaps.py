import ctypes

import pytest
from samples.bitmaps import bitmap, shown

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import PureDecoder
from storage.native_bitmaps import NativeDecoder, best_decoder


def test_where_the_library_is_installed_it_is_used():
    assert isinstance(best_decoder(), NativeDecoder)


def test_where_it_is_not_python_decodes(monkeypatch: pytest.MonkeyPatch):
    def missing(_name: str) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert isinstance(best_decoder(), PureDecoder)


@pytest.mark.parametrize("depth", [16, 32])
def test_what_it_cannot_decode_is_refused_and_not_logged(
    depth: int, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(MalformedPduError):
        best_decoder().decode(bitmap(b"\xff\xff", 8, 8, depth))
    assert capfd.readouterr() == ("", "")


def test_a_bitmap_wider_than_its_room_is_decoded_in_python():
    wide = bitmap(b"\x20" + b"\x07" * (3 * 5000) + b"\0", 5000, 1, 32)
    assert shown(best_decoder(), wide) == b"\x07\x07\x07\xff" * 5000
