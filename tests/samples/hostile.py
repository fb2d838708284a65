"""What a target, a client or a file name may hold to act on whoever looks at it later."""

import json
import re
import struct
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parents[1] / "data/hostile"
MARKUP: Final = (DATA / "markup.txt").read_text(encoding="utf-8").splitlines()
"""Each sets `xss` of the window where a browser takes it for more than text."""
ESCAPES: Final = {
    one["name"]: bytes.fromhex(one["octets"])
    for one in map(json.loads, (DATA / "escapes.jsonl").read_text().splitlines())
}
"""Each asks, sets, sends or draws outside of the screen, or makes a terminal wait."""

_HARMLESS: Final = re.compile(
    rb"\x1b(?:"
    rb"[78DEHM]|#[34568]|[()*+].|"  # The cursor and character sets.
    rb"\[[0-9;:]{0,40}[@-MPSTXZ`abdefgmr]|"  # Moves, erasing, colours.
    rb"\[[0-6]? q|\[4[hl]|"  # The cursor's shape, inserting.
    rb"\[\?(?:5|6|7|12|25|47|1047|1048|1049)[hl]"  # Modes of the screen.
    rb")"
)
_NUMBER: Final = re.compile(rb"[0-9]{5}")
_C0: Final = frozenset(range(0x20)) - frozenset(b"\b\t\n\v\f\r\x0e\x0f")


def acting(shown: bytes) -> list[bytes]:
    """Return what of `shown` would act on a terminal beyond its screen."""
    found = [one for one in _HARMLESS.findall(shown) if _NUMBER.search(one)]
    rest = _HARMLESS.sub(b"", shown)
    for at, octet in enumerate(rest):
        if octet in _C0:
            found.append(rest[at : at + 12])
    text = rest.decode(errors="surrogateescape")
    # An eighth bit alone is a control to some terminals, and so is one in UTF-8.
    found += [text[at : at + 12].encode("utf-8", "surrogateescape") for at in _c1(text)]
    return found


def _c1(text: str) -> list[int]:
    return [
        at
        for at, character in enumerate(text)
        if 0x7F <= ord(character) <= 0x9F or 0xDC80 <= ord(character) <= 0xDC9F
    ]


def as_octal(octets: bytes) -> str:
    """Return what `printf` makes these bytes of."""
    return "".join(f"\\{octet:03o}" for octet in octets)


def clipboard_pdu(kind: int, body: bytes, channel: int, *, from_client: bool) -> bytes:
    """Return a message of the clipboard's channel as RDP carries it ([MS-RDPECLIP] 2.2)."""
    message = struct.pack("<HHI", kind, 1, len(body)) + body
    data = struct.pack("<II", len(message), 3) + message
    head = struct.pack(">BHH", 0x64 if from_client else 0x68, 7, channel) + b"\x70"
    mcs = b"\x02\xf0\x80" + head + struct.pack(">H", 0x8000 | len(data)) + data
    return struct.pack(">BBH", 3, 0, len(mcs) + 4) + mcs
