"""Bitmaps as a target sends them, and what both decoders make of them."""

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import GREYS, Bitmap, BitmapDecoder, PureDecoder, picture
from recorder.replay.rdp.bulk import HISTORY_BYTES, _unpack
from storage.native_bitmaps import NativeDecoder, best_decoder

PURE = PureDecoder()
NATIVE = best_decoder()


def bitmap(
    data: bytes, width: int, height: int, depth: int, *, compressed: bool = True
) -> Bitmap:
    return Bitmap(
        0, 0, width - 1, height - 1, width, height, depth, compressed, memoryview(data)
    )


def shown(decoder: BitmapDecoder, one: Bitmap) -> bytes | None:
    try:
        return picture(one, decoder, GREYS)
    except MalformedPduError:
        return None


class BothDecoders:
    """The native decoder, held to what the one in Python says."""

    def __init__(self) -> None:
        assert isinstance(NATIVE, NativeDecoder)
        self.decoded = 0

    def decode(self, bitmap: Bitmap) -> bytes:
        """Return the picture."""
        picture = NATIVE.decode(bitmap)
        assert picture == PURE.decode(bitmap)
        self.decoded += 1
        return picture

    def unpacker(self) -> "BothUnpackers":
        return BothUnpackers()


class BothUnpackers:
    """The native history, held to what the one in Python says."""

    def __init__(self) -> None:
        native = NATIVE.unpacker()
        assert native is not None
        self._native = native
        self.history = native.history

    def unpack(self, data: bytes, at: int) -> int:
        """Write what `data` says; return where that ends."""
        pure = memoryview(bytearray(self.history))
        end = _unpack(data, pure, HISTORY_BYTES, at)
        assert self._native.unpack(data, at) == end
        assert self.history == pure
        return end
