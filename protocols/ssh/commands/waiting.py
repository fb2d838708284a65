"""A command that a client asks for and somebody has to approve, and what comes behind it.

The target hears of none of it before it is decided, and of all of it in order once it may.
"""

from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.commands.line_guard import HELD_LIMIT_BYTES
from protocols.ssh.commands.rules import Found
from protocols.ssh.packets import ChannelRequest, Message, Reader, body_of, payload_of

_DATA: Final = int(Message.CHANNEL_DATA)
_PIECE_BYTES: Final = 16 * 1024
"""Every SSH implementation takes packets of this size (RFC 4253 6.1)."""


class Waiting:
    """One channel's.

    A target may grant no room before something runs, as OpenSSH does. On a terminal the
    client is lent some then: whoever waits must be able to say that he does not want to. What
    came by that waits on, once the target was asked, until the target has granted as much.
    """

    def __init__(self, found: Found, request: ChannelRequest) -> None:
        self.found, self.request = found, request
        self._kept: list[bytes] = []
        self._data = bytearray()
        """The end of what was kept, joined: small packets weigh more than they say."""
        self._kept_bytes = 0
        self.lent_bytes = 0
        """Room that the client has, and that the target is yet to grant."""
        self.asked = False
        """Whether the target was asked for it: somebody has approved it."""

    def keep(self, body: bytes) -> None:
        """Take what the client sent behind it; raise `RemoteProtocolError` if that is too much.

        A client that keeps to its window sends less: no target grants as much.
        """
        if body[1] == _DATA:
            data = Reader(payload_of(body), 5).string()
            self._data += data
            self._kept_bytes += len(data)
        else:
            self._part()
            self._kept.append(body)
            self._kept_bytes += len(body)
        if self._kept_bytes > HELD_LIMIT_BYTES:
            raise RemoteProtocolError("more was sent than a command that waits may hold up")

    def take(self) -> list[bytes]:
        """Return what was kept, in order."""
        self._part()
        kept, self._kept = self._kept, []
        return kept

    def _part(self) -> None:
        self._kept += cut(self.request.recipient, bytes(self._data))
        self._data.clear()


def cut(number: int, data: bytes) -> list[bytes]:
    """Return the bodies that carry `data` on the channel that its taker calls `number`."""
    starts = range(0, len(data), _PIECE_BYTES)
    pieces = (data[start : start + _PIECE_BYTES] for start in starts)
    return [body_of(packets.channel_data(number, piece)) for piece in pieces]
