"""What may cross the clipboard, each way: by default text. Sans-io.

One side says which formats it has, the other asks for one, then its data cross. Of what may
not cross the other side never hears; whoever asks for it all the same is not heard, and what
comes unasked goes nowhere. Whatever a secret says, no files: their contents cross in pieces,
on demand and in any order ([MS-RDPECLIP] 2.2.5.3), so no recording could say what they were.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import clipboard
from protocols.rdp.wire.clipboard import Kind
from protocols.rdp.wire.virtual_channel import Pieces, pieces

CHANNEL_NAME: Final = "cliprdr"
FILES: Final = "a file's contents"
_TEXT: Final = frozenset({1, 7, 13, 16})
"""Text in three encodings, and its language ([MS-RDPECLIP] 1.3.1.2: `CF_TEXT` and so on)."""
_MAX_HELD_BYTES: Final = 64 * 1024
"""Of a Format List in pieces; a thousand formats with their names are less."""
_HELD: Final = frozenset({Kind.FORMAT_LIST, Kind.CAPABILITIES, Kind.DATA_REQUEST})
"""What is read as a whole before any of it goes on."""


class May(enum.Enum):
    """What may cross in one direction."""

    NOTHING = "nothing"
    TEXT = "text"
    ALL_BUT_FILES = "all but files"


class ClipboardTerms(Struct, frozen=True, kw_only=True):
    """What a secret lets through."""

    to_target: May = May.TEXT
    to_client: May = May.TEXT


class _Direction:
    """What one side says."""

    def __init__(self, may: May, towards: str) -> None:
        self.may, self.towards = may, towards
        """What of its data may cross, and whereto in words."""
        self.pieces = Pieces()
        self.long_names = False
        self.asked = 0
        """How many answers the other side waits for."""
        self.held: list[bytes] | None = None
        self.passes = True
        """Whether the message whose pieces come passes."""


class ClipboardPolicy:
    """Follows both sides of one session's clipboard."""

    def __init__(self, terms: ClipboardTerms) -> None:
        self._client = _Direction(terms.to_target, "to the target")
        self._target = _Direction(terms.to_client, "to the client")
        self.refused: str | None = None
        """What was kept back of the last piece, in words for the recording."""

    def take(self, data: bytes, *, from_client: bool) -> list[bytes]:
        """Take a piece of a message; return the pieces that are to go on.

        Raises `RemoteProtocolError` where it is none.
        """
        ours, theirs = self._client, self._target
        if not from_client:
            ours, theirs = theirs, ours
        self.refused = None
        piece = ours.pieces.read(data)
        if piece.is_signal:
            return [data]
        if piece.is_first:
            kind = clipboard.kind_of(piece.data)
            ours.held = [] if kind in _HELD else None
            ours.passes = self._passes(kind, ours)
        if ours.held is None:
            return [data] if ours.passes else []
        ours.held.append(piece.data)
        if sum(map(len, ours.held)) > _MAX_HELD_BYTES:
            raise RemoteProtocolError("a clipboard message without an end")
        if not piece.is_last:
            return []
        message, ours.held = clipboard.check_size(b"".join(ours.held)), None
        ours.passes = False
        return list(pieces(self._changed(message, ours, theirs)))

    def _passes(self, kind: int, ours: _Direction) -> bool:
        if kind in {Kind.FILE_REQUEST, Kind.FILE_RESPONSE}:
            self.refused = FILES
            return False
        if kind == Kind.DATA_RESPONSE:
            if not ours.asked:
                self.refused = f"what nobody asked for, {ours.towards}"
                return False
            ours.asked -= 1
        return True

    def _changed(self, message: bytes, ours: _Direction, theirs: _Direction) -> bytes:
        """Return a whole message as the other side may have it; empty for not at all."""
        match clipboard.kind_of(message):
            case Kind.CAPABILITIES:
                ours.long_names = clipboard.has_long_names(message)
                return clipboard.without_files(message)
            case Kind.DATA_REQUEST:
                # What is asked for would come from the other side.
                if _may(theirs.may, clipboard.asked_format(message)):
                    theirs.asked += 1
                    return message
                self._refuse(theirs)
                return b""
        if ours.may is May.ALL_BUT_FILES:
            return message
        is_long = ours.long_names and theirs.long_names
        formats = clipboard.read_formats(message, long_names=is_long)
        allowed = [one for one in formats if _may(ours.may, one.number)]
        if len(allowed) == len(formats):
            return message
        self._refuse(ours)
        return clipboard.format_list(message, allowed)

    def _refuse(self, owner: _Direction) -> None:
        what = "a format that is not text" if owner.may is May.TEXT else "anything"
        self.refused = f"{what}, {owner.towards}"


def _may(may: May, number: int) -> bool:
    return may is May.ALL_BUT_FILES or (may is May.TEXT and number in _TEXT)
