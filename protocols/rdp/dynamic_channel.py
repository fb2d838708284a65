"""The channel that dynamic channels are in: of those, only what is listed is opened. Sans-io.

The target asks for one by its name; where the secret does not let that through, the proxy
answers as a client does that does not know it, and the client never hears of it. Compression
is not negotiated, nor another way than this connection.
"""

from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.rdp import sound_channel
from protocols.rdp.followed import Passed, Refusals
from protocols.rdp.sound_channel import DynamicSound
from protocols.rdp.wire import dynamic
from protocols.rdp.wire.dynamic import Command, Header
from protocols.rdp.wire.virtual_channel import HEADER_BYTES, Pieces, pieces
from recorder.events import ForwardGranted, KnownEvent

CHANNEL_NAME: Final = "drdynvc"
_MAX_HELD_BYTES: Final = 64 * 1024
"""A message has 1600 bytes at most ([MS-RDPEDYC] 2.2.3)."""
_MAX_CHANNELS: Final = 256


class DynamicChannels:
    """Follows the dynamic channels of a session."""

    def __init__(self, names: frozenset[str], *, show_protocol: bool = False) -> None:
        self._names, self._show_protocol = names, show_protocol
        self._refusals = Refusals(CHANNEL_NAME)
        self._begin()

    def _begin(self) -> None:
        self._pieces = {True: Pieces(), False: Pieces()}
        """By whether they are the client's."""
        self._held: dict[bool, list[bytes]] = {True: [], False: []}
        self._open: set[int] = set()
        self._sounds: dict[int, DynamicSound] = {}
        self._closing: dict[int, bool] = {}
        """Those that one side has closed, by whether it is the client."""

    def take(self, at_ms: int, data: bytes, *, from_client: bool) -> Passed:
        """Take the next piece; raise `RemoteProtocolError` where it makes no sense."""
        piece = self._pieces[from_client].read(data)
        if piece.is_signal:
            return Passed([data])
        held = self._held[from_client]
        held.append(data)
        if sum(map(len, held)) > _MAX_HELD_BYTES:
            raise RemoteProtocolError("a message about dynamic channels without an end")
        if not piece.is_last:
            return Passed([])
        self._held[from_client] = []
        message = piece.data
        if len(held) > 1:
            message = b"".join(one[HEADER_BYTES:] for one in held)
        return self._decided(at_ms, held, message, from_client=from_client)

    def end(self, _at_ms: int, /) -> list[KnownEvent]:
        """Begin anew; nothing needs to be said."""
        self._begin()
        return []

    def _decided(
        self, at_ms: int, held: list[bytes], message: bytes, *, from_client: bool
    ) -> Passed:
        header = dynamic.read_header(message)
        match header.command:
            case Command.DATA | Command.DATA_FIRST if header.channel in self._open:
                sound = self._sounds.get(header.channel) if from_client else None
                cleaned = sound.cleaned(message, header) if sound else message
                return Passed(held if cleaned == message else self._cut(cleaned))
            case Command.CREATE if not from_client:
                return self._asked(at_ms, held, message, header)
            case Command.CREATE if header.channel in self._open:
                if not dynamic.is_created(message, header):
                    self._forget(header.channel)
                return Passed(held)
            case Command.CLOSE if header.channel in self._open:
                self._close(header.channel, from_client=from_client)
                return Passed(held)
            case Command.CAPABILITIES:
                return Passed(self._cut(dynamic.of_version_2(message)))
        detail = "data of a channel that is not open"
        if header.command not in set(Command):
            detail = f"a message of kind {header.command}"
        return Passed([], events=self._refusals.tell(at_ms, detail))

    def _asked(self, at_ms: int, held: list[bytes], message: bytes, header: Header) -> Passed:
        """Judge what the target wants to open."""
        name = dynamic.read_name(message, header)
        if header.channel in self._open and header.channel not in self._closing:
            raise RemoteProtocolError("a dynamic channel that is opened twice")
        self._forget(header.channel)
        if name not in self._names or len(self._open) >= _MAX_CHANNELS:
            answer = self._cut(dynamic.not_created(message, header))
            return Passed([], answer, self._refusals.tell(at_ms, name))
        self._open.add(header.channel)
        if name == sound_channel.DYNAMIC_NAME:
            self._sounds[header.channel] = DynamicSound()
        granted = ForwardGranted(at_ms=at_ms, request="dynamic channel", detail=name)
        return Passed(held, events=[granted])

    def _close(self, channel: int, *, from_client: bool) -> None:
        """Take note that a side has closed a channel: the other one says so, too."""
        if self._closing.setdefault(channel, from_client) != from_client:
            self._forget(channel)

    def _forget(self, channel: int) -> None:
        self._open.discard(channel)
        self._sounds.pop(channel, None)
        self._closing.pop(channel, None)

    def _cut(self, message: bytes) -> list[bytes]:
        return list(pieces(message, show_protocol=self._show_protocol))
