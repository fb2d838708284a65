"""FreeRDP's own proxy, in C: it takes updates apart, puts them together and records nothing.

What crosses is inflated and stays so: of text it sends six times what the target sent.
Debian builds it and does not ship it: `bench/freerdp-proxy` makes it of Debian's sources.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from peers.needed import answers, free_port, program, wait_until
from peers.userland import stop

from bench import ROOT
from bench.cpu import Meter

BUILD = Path(__file__).with_name("freerdp-proxy")
BUILT = ROOT / "var" / "freerdp-proxy"

CONFIG = """\
[Server]
Host=127.0.0.1
Port={port}
[SessionCapture]
Enabled=FALSE
[Target]
UseLoadBalanceInfo=TRUE
Host=none
Port=1
[Input]
Mouse=TRUE
Keyboard=TRUE
[Security]
ServerTlsSecurity=TRUE
ServerRdpSecurity=FALSE
ClientTlsSecurity=TRUE
ClientRdpSecurity=FALSE
ClientNlaSecurity=FALSE
ClientAllowFallbackToTls=TRUE
[Channels]
GFX=FALSE
DisplayControl=FALSE
Clipboard=TRUE
AudioOutput=FALSE
RemoteApp=FALSE
Passthrough=
[Clipboard]
TextOnly=FALSE
MaxTextLength=0
"""


class FreeRDPProxy:
    """It relays to one target, with the account that the client names.

    `words` are what xfreerdp needs besides.
    """

    def __init__(self, built: Path, target: int) -> None:
        self._folder = TemporaryDirectory()
        folder = Path(self._folder.name)
        self.port = free_port()
        (folder / "config.ini").write_text(CONFIG.format(port=self.port))
        # The port in its configuration it takes for 3389 (2.11.7); this one it takes as it is.
        self.words = (f"/load-balance-info:Cookie: msts=127.0.0.1:{target}",)
        self._make_certificate(folder)
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [built, "config.ini"], cwd=folder, stdout=log, stderr=log
            )
        wait_until(lambda: answers(self.port), "FreeRDP's proxy does not listen")
        self.meter = Meter(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)
        self.meter.close()
        with suppress(OSError):
            self._folder.cleanup()

    @staticmethod
    def _make_certificate(folder: Path) -> None:
        """Where it looks for it, and nowhere else."""
        words = ("-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=proxy", "-days", "2")
        subprocess.run(
            [program("openssl"), "req", *words, "-keyout", "server.key", "-out", "server.crt"],
            cwd=folder,
            check=True,
            capture_output=True,
        )


def built() -> Path | None:
    """Return the program; nothing, and say why, where it cannot be had."""
    done = subprocess.run([BUILD, BUILT], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write("bench: without FreeRDP's proxy, which could not be built\n")
        return None
    return Path(done.stdout.splitlines()[-1])
