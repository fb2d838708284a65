"""The `.rdp` file that mstsc and xfreerdp open a session from.

It never holds a password: mstsc keeps one only encrypted for the user who typed it in.
"""

from typing import Final

from control.rdp_signature import RDPSigner
from control.requests import IssuedCredential

_SETTINGS: Final = (
    "enablecredsspsupport:i:1",
    "authentication level:i:2",
    "prompt for credentials:i:0",
    "negotiate security layer:i:1",
    "autoreconnection enabled:i:1",
    "redirectclipboard:i:1",
    "redirectdrives:i:0",
    "redirectprinters:i:0",
    "redirectcomports:i:0",
    "redirectsmartcards:i:0",
    "audiomode:i:2",
    "audiocapturemode:i:0",
    "networkautodetect:i:0",
    "compression:i:1",
)
"""A client comes back by itself with the pair that it has (`control.reconnects`). No sound,
drives or cards: by default they do not reach the target."""


def rdp_file(issued: IssuedCredential, signer: RDPSigner | None = None) -> bytes:
    """Return the file for a proxy credential."""
    host = f"[{issued.host}]" if ":" in issued.host else issued.host
    lines = [f"full address:s:{host}:{issued.port}", f"username:s:{issued.username}"]
    lines += _SETTINGS
    if signer is not None:
        lines = signer.signed(lines)
    # mstsc takes UTF-16 with its mark and ANSI; of what is in here both are read the same.
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")
