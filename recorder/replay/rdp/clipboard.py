"""What crossed the clipboard ([MS-RDPECLIP]): text, and the names and sizes of files.

One side says which formats it has (2.2.3.1), the other asks for one by number (2.2.5.1), and
only then the data cross (2.2.5.2); so what a response is depends on what both said before.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from recorder.replay.rdp.cursor import Cursor

CHANNEL_NAME: Final = "cliprdr"
_FORMAT_LIST: Final = 2
_DATA_REQUEST: Final = 4
_DATA_RESPONSE: Final = 5
_CAPABILITIES: Final = 7
_RESPONSE_OK: Final = 0x01
_ASCII_NAMES: Final = 0x04
_LONG_NAMES: Final = 0x02
_SHORT_NAME_BYTES: Final = 32
_GENERAL_CAPABILITIES: Final = 1
_CF_TEXT: Final = 1
_CF_OEMTEXT: Final = 7
_CF_UNICODETEXT: Final = 13
_PERHAPS_TEXT: Final = -1
_FILES: Final = "FileGroupDescriptorW"
_SHORT_NAME: Final = 15
_DESCRIPTOR_BYTES: Final = 592
_NAME_BYTES: Final = 520
_DIRECTORY: Final = 0x10
_MAX_FORMATS: Final = 256
_MAX_FILES: Final = 10_000


class ClipboardText(Struct, frozen=True):
    """Text crossed."""

    to_target: bool
    text: str


class ClipboardFile(Struct, frozen=True):
    """A file was described; its content may cross later, or never."""

    to_target: bool
    name: str
    size_bytes: int
    is_folder: bool


class Side(Struct, array_like=True):
    """What one side said of its clipboard."""

    long_names: bool = False
    files_format: int | None = None
    """The number by which it calls a list of files."""
    asked: int | None = None
    """The format that the other side wants."""
    heard: bool = False
    """Whether anything of it is recorded: a secret may have one direction recorded alone."""
    offers_text: bool = False


class Clipboard(Struct, array_like=True):
    """Follows one session's clipboard."""

    client: Side = field(default_factory=Side)
    target: Side = field(default_factory=Side)

    def take(
        self, message: bytes, *, from_client: bool
    ) -> Iterator[ClipboardText | ClipboardFile]:
        """Take a whole message; yield what crossed. Raises `MalformedPduError`."""
        mine, theirs = self.client, self.target
        if not from_client:
            mine, theirs = theirs, mine
        cursor = Cursor(message)
        mine.heard = True
        kind, flags = cursor.u16(), cursor.u16()
        body = Cursor(cursor.take(cursor.u32()))
        if kind == _CAPABILITIES:
            mine.long_names = _has_long_names(body)
        elif kind == _FORMAT_LIST:
            long_names = mine.long_names and (theirs.long_names or not theirs.heard)
            formats = _formats(
                body, long_names=long_names, ascii_names=bool(flags & _ASCII_NAMES)
            )
            mine.files_format = next((n for n, name in formats if _lists_files(name)), None)
            mine.offers_text = any(number == _CF_UNICODETEXT for number, _ in formats)
        elif kind == _DATA_REQUEST:
            theirs.asked = body.u32()
        elif kind == _DATA_RESPONSE:
            asked, mine.asked = mine.asked, None
            if asked is None and mine.offers_text and not theirs.heard:
                # What was asked for is not recorded, but text looks like text.
                asked = _PERHAPS_TEXT
            if flags & _RESPONSE_OK and asked is not None:
                yield from _crossed(mine, asked, body, to_target=from_client)


def _crossed(
    mine: Side, asked: int, body: Cursor, *, to_target: bool
) -> Iterator[ClipboardText | ClipboardFile]:
    if asked == mine.files_format:
        yield from _files(body, to_target=to_target)
        return
    data = bytes(body.rest())
    if asked == _CF_UNICODETEXT or (asked == _PERHAPS_TEXT and _is_text(data)):
        text = _text(data)
    elif asked in (_CF_TEXT, _CF_OEMTEXT):
        # Of which code page it is, the message does not say.
        text = data.partition(b"\0")[0].decode("cp1252", "replace")
    else:
        return
    yield ClipboardText(to_target, text)


def _has_long_names(body: Cursor) -> bool:
    """Read 2.2.2.1."""
    count = body.u16()
    body.skip(2)
    for _ in range(count):
        kind = body.u16()
        capability = Cursor(body.take(body.u16() - 4))
        if kind == _GENERAL_CAPABILITIES:
            capability.skip(4)
            return bool(capability.u32() & _LONG_NAMES)
    return False


def _text(data: bytes) -> str:
    return data.decode("utf-16-le", "replace").partition("\0")[0]


def _is_text(data: bytes) -> bool:
    """Say whether it is UTF-16 up to one NUL at its end."""
    try:
        text = data.decode("utf-16-le")
    except UnicodeDecodeError:
        return False
    return text.find("\0") == len(text) - 1


def _formats(body: Cursor, *, long_names: bool, ascii_names: bool) -> list[tuple[int, str]]:
    """Return the number of each format that is offered, and its name where it has one."""
    formats: list[tuple[int, str]] = []
    while body.left and len(formats) < _MAX_FORMATS:
        number = body.u32()
        if long_names:
            name = _terminated_name(body)
        else:
            encoding = "latin-1" if ascii_names else "utf-16-le"
            name = bytes(body.take(_SHORT_NAME_BYTES)).decode(encoding, "replace")
            name = name.partition("\0")[0]
        formats.append((number, name))
    return formats


def _lists_files(name: str) -> bool:
    """Say whether a format lists files, which only its name tells."""
    # A short name is cut off at 15 characters.
    return name.startswith(_FILES[:_SHORT_NAME]) and _FILES.startswith(name)


def _terminated_name(body: Cursor) -> str:
    units = bytearray()
    while (unit := bytes(body.take(2))) != b"\0\0":
        units += unit
    return units.decode("utf-16-le", "replace")


def _files(body: Cursor, *, to_target: bool) -> Iterator[ClipboardFile]:
    """Read a list of files (2.2.5.2.3)."""
    for _ in range(min(body.u32(), _MAX_FILES)):
        descriptor = Cursor(body.take(_DESCRIPTOR_BYTES))
        descriptor.skip(4 + 32)
        attributes = descriptor.u32()
        descriptor.skip(16 + 8)
        high, low = descriptor.u32(), descriptor.u32()
        name = bytes(descriptor.take(_NAME_BYTES)).decode("utf-16-le", "replace")
        yield ClipboardFile(
            to_target, name.partition("\0")[0], high << 32 | low, bool(attributes & _DIRECTORY)
        )
