"""A real rsyslog: what it received, taken apart by its own parser."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from peers.needed import answers, environment, free_port, program, wait_until
from peers.userland import stop

CONFIG: Final = """\
global(workDirectory="{folder}" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="{folder}/ca.pem"
       defaultNetstreamDriverCertFile="{folder}/server.pem"
       defaultNetstreamDriverKeyFile="{folder}/server.key")
module(load="imudp")
module(load="imtcp")
input(type="imudp" address="127.0.0.1" port="{ports[udp]}")
input(type="imtcp" address="127.0.0.1" port="{ports[tcp]}")
input(type="imtcp" address="127.0.0.1" port="{ports[tls]}"
      streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="json" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="at" name="timestamp" dateFormat="rfc3339" format="jsonf")
  property(outname="hostname" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}}
action(type="omfile" file="{folder}/received" template="json" flushOnTXEnd="on")
"""

PARAMETER: Final = re.compile(r'(\w+)="((?:[^"\\\]]|\\.)*)"')
"""RFC 5424, 6.3.3."""

CERTIFY: Final = """\
set -e
cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
  -subj "/CN=logs" -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -subj "/CN=logs" -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 30 -extfile extensions \
  -out server.pem
"""


@dataclass
class Rsyslog:
    """A server for each transport, `udp`, `tcp` and `tls`."""

    folder: Path
    ports: dict[str, int] = field(
        default_factory=lambda: {kind: free_port() for kind in ("udp", "tcp", "tls")}
    )
    process: subprocess.Popen[bytes] | None = None
    _seen_bytes: int = 0

    def url(self, kind: str) -> str:
        return f"{kind}://127.0.0.1:{self.ports[kind]}"

    def start(self) -> None:
        config = self.folder / "rsyslog.conf"
        config.write_text(CONFIG.format(folder=self.folder, ports=self.ports))
        log = self.folder / "log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [program("rsyslogd"), "-n", "-f", config, "-i", self.folder / "pid"],
                stdout=out,
                stderr=out,
                env=environment(),
            )
        process = self.process
        wait_until(
            lambda: process.poll() is not None or answers(self.ports["tls"]), "no rsyslog"
        )
        assert process.poll() is None, log.read_text()

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)

    def received(self) -> list[dict[str, Any]]:
        """Every message of ours so far; `data` is what stood in the structured data."""
        file = self.folder / "received"
        if not file.exists():
            return []
        # It writes in blocks, which end within a line.
        whole = file.read_bytes()[self._seen_bytes :].rpartition(b"\n")[0]
        rows = [json.loads(line) for line in whole.splitlines()]
        ours = [row for row in rows if row["app"] == "proxyd"]
        for row in ours:
            found = PARAMETER.findall(row["data"])
            row["data"] = {name: re.sub(r"\\(.)", r"\1", value) for name, value in found}
        return ours

    def forget(self) -> None:
        """Look only at what comes after."""
        file = self.folder / "received"
        self._seen_bytes = file.stat().st_size if file.exists() else 0


@pytest.fixture(scope="module")
def rsyslog() -> Iterator[Rsyslog]:
    with tempfile.TemporaryDirectory(prefix="proxyd-rsyslog-") as folder:
        certify = ["/bin/sh", "-c", CERTIFY, "certify", folder]
        subprocess.run(certify, check=True, capture_output=True, env=environment())
        server = Rsyslog(Path(folder))
        server.start()
        yield server
        server.stop()
