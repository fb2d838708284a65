"""The channel for sound in a relay: it stays on this connection. Sans-io.

A client may name a port of its own that the target shall send sound to, by UDP and past the
recording ([MS-RDPEA] 2.2.2.2). The target is told that there is none.
"""

from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.rdp.followed import Passed
from protocols.rdp.wire import dynamic
from protocols.rdp.wire.virtual_channel import HEADER_BYTES, Pieces
from recorder.events import KnownEvent

CHANNEL_NAME: Final = "rdpsnd"
DYNAMIC_NAME: Final = "AUDIO_PLAYBACK_DVC"
_FORMATS: Final = 7
"""What a client's Audio Formats and Version begin with."""
_PORT: Final = slice(16, 18)
"""Behind type, size, flags, volume and pitch."""


class SoundChannel:
    """Follows the channel for sound."""

    def __init__(self) -> None:
        self._pieces = {True: Pieces(), False: Pieces()}
        """By whether they are the client's."""

    def take(self, _at_ms: int, data: bytes, *, from_client: bool) -> Passed:
        """Take the next piece; raise `RemoteProtocolError` where it makes no sense."""
        piece = self._pieces[from_client].read(data)
        begins = from_client and piece.is_first and not piece.is_signal
        return Passed([_without_port(data, HEADER_BYTES) if begins else data])

    def end(self, _at_ms: int, /) -> list[KnownEvent]:
        """Begin anew; nothing needs to be said."""
        self._pieces = {True: Pieces(), False: Pieces()}
        return []


class DynamicSound:
    """What a client says on one dynamic channel for sound."""

    def __init__(self) -> None:
        self._left_bytes = 0
        """Of a message in several."""

    def cleaned(self, message: bytes, header: dynamic.Header) -> bytes:
        """Return what goes on; raise `RemoteProtocolError` where it makes no sense."""
        at, whole_bytes = dynamic.read_data(message, header)
        begins = whole_bytes is not None or self._left_bytes == 0
        left_bytes = self._left_bytes if whole_bytes is None else whole_bytes
        self._left_bytes = max(0, left_bytes - (len(message) - at))
        return _without_port(message, at) if begins else message


def _without_port(data: bytes, at: int) -> bytes:
    """Return `data` with the port taken from the formats of sound that may be at `at`."""
    if data[at : at + 1] != bytes([_FORMATS]):
        return data
    start, stop = at + _PORT.start, at + _PORT.stop
    if len(data) < stop:
        raise RemoteProtocolError("formats of sound that are cut off")
    return data[:start] + bytes(2) + data[stop:]
