"""Real rdesktop: another client, whose drives an xrdp mounts.

xrdp says that the user is logged on before it says that it will say so, whereupon FreeRDP
announces no drives to it.
"""

from typing import Final

from peers.display import Display
from peers.freerdp import RDPLogin, Viewer
from peers.needed import program

TRUSTING: Final = 'PATH=$HOME:$PATH exec "$@" <<answer\nyes\nanswer\n'
"""It asks whether a certificate that nobody vouches for may be trusted."""
PRINTING: Final = '#!/bin/sh\ncat >"$HOME/printed"\n'
"""It hands what is printed to `lpr`, which may as well write a file."""


class RDesktop(Viewer):
    """One rdesktop at work on a display."""

    def __init__(self, display: Display, login: RDPLogin, *words: str) -> None:
        self.display = display
        printing = display.folder / "lpr"
        printing.write_text(PRINTING)
        printing.chmod(0o755)
        self.log = display.folder / f"rdesktop-{len(list(display.folder.iterdir()))}.log"
        credential = ("-u", login.username, "-p", login.password)
        where = f"127.0.0.1:{login.daemon.rdp_port}"
        rdesktop = (program("rdesktop"), *credential, "-g", "1024x768", "-a", "32", *words)
        self.process = display.start(("sh", "-c", TRUSTING, "sh", *rdesktop, where), self.log)
