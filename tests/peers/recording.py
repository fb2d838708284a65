"""A session of a daemon, as its command line shows it."""

import datetime as dt
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peers.daemon import Daemon

Json = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """A session as the command line shows it."""

    daemon: "Daemon"
    row: Json

    @property
    def id(self) -> str:
        return str(self.row["id"])

    def ended_s_after(self, moment: dt.datetime) -> float:
        """By the engine's own clock: however late anybody else heard of it."""
        return (dt.datetime.fromisoformat(self.row["ended_at"]) - moment).total_seconds()

    def export(self, format_: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "export"
            self.daemon.cli(
                "session", "export", self.id, "--format", format_, "--out", str(out)
            )
            return out.read_bytes()

    def events(self, *types: str) -> list[Json]:
        # Of a large recording few lines are wanted: the others are not worth reading.
        marks = [f'"{type_}"'.encode() for type_ in types]
        lines = self.export("events").splitlines()
        rows = [json.loads(line) for line in lines if any(m in line for m in marks or [b""])]
        return [row for row in rows if not types or row["type"] in types]

    def verify(self) -> int:
        done = self.daemon.cli("session", "verify", self.id, check=False)
        # pytest shows it where the test fails.
        sys.stdout.write(done.text)
        return done.status
