"""The channel for sound in a relay: it stays on this connection. Sans-io.

A client may name a port of its own that the target shall send sound to, by UDP and past the
recording ([MS-RDPEA] 2.2.2.2). The target is told that there is none.
"""

from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.rdp.followed import Passed
from protocols.rdp.wire.virtual_channel import HEADER_BYTES, Pieces
from recorder.events import KnownEvent

CHANNEL_NAME: Final = "rdpsnd"
_FORMATS: Final = 7
"""What a client's Audio Formats and Version begin with."""
_PORT: Final = slice(HEADER_BYTES + 16, HEADER_BYTES + 18)
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
        if not begins or piece.data[0] != _FORMATS:
            return Passed([data])
        if len(data) < _PORT.stop:
            raise RemoteProtocolError("formats of sound that are cut off")
        return Passed([data[: _PORT.start] + bytes(2) + data[_PORT.stop :]])

    def end(self, _at_ms: int, /) -> list[KnownEvent]:
        """Begin anew; nothing needs to be said."""
        self._pieces = {True: Pieces(), False: Pieces()}
        return []
