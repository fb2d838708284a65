"""The `.rdp` file that mstsc and xfreerdp open a session from.

It never holds a password: mstsc keeps one only encrypted for the user who typed it in.
"""

from collections.abc import Collection
from typing import Final

from control.rdp_signature import RDPSigner
from control.requests import IssuedCredential

_SETTINGS: Final = (
    "enablecredsspsupport:i:1",
    "authentication level:i:2",
    "prompt for credentials:i:0",
    "negotiate security layer:i:1",
    "autoreconnection enabled:i:1",
    "redirectcomports:i:0",
    "redirectsmartcards:i:0",
    "networkautodetect:i:0",
    "compression:i:1",
)
"""A client comes back by itself with the pair that it has (`control.reconnects`). Ports and
smart cards never reach a target."""
_LENT: Final = (
    ("clipboard", "redirectclipboard:i", "1", "0"),
    ("drives", "redirectdrives:i", "1", "0"),
    # Newer programs than Windows XP's read which, and only that.
    ("drives", "drivestoredirect:s", "*", ""),
    ("printers", "redirectprinters:i", "1", "0"),
    # 0 is played where the user sits; 2 nowhere.
    ("audio", "audiomode:i", "0", "2"),
    ("microphone", "audiocapturemode:i", "1", "0"),
    ("dynamic", "dynamic resolution:i", "1", "0"),
)
"""What a client may lend, with a setting and its value where it is to offer it, or is not."""


def lent_by(channels: Collection[str]) -> frozenset[str]:
    """Return what clients may offer of what a secret lets through, in either direction.

    A word begins with it: `drives`, `drives-in`, `clipboard-rich-out`. A client cannot be
    told a direction; the proxy sees to that.
    """
    return frozenset(word.partition("-")[0] for word in channels)


def rdp_file(issued: IssuedCredential, signer: RDPSigner | None = None) -> bytes:
    """Return the file for a proxy credential."""
    host = f"[{issued.host}]" if ":" in issued.host else issued.host
    lines = [f"full address:s:{host}:{issued.port}", f"username:s:{issued.username}"]
    lines += _SETTINGS
    lent = lent_by(issued.channels)
    lines += [f"{name}:{yes if kind in lent else no}" for kind, name, yes, no in _LENT]
    if signer is not None:
        lines = signer.signed(lines)
    # mstsc takes UTF-16 with its mark and ANSI; of what is in here both are read the same.
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")
