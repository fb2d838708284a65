"""Running a program to its end."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.needed import environment


@dataclass(frozen=True)
class Output:
    """What a program left behind."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace").strip()

    @property
    def said(self) -> str:
        """Everything, for messages that may go to either."""
        return (self.stdout + self.stderr).decode(errors="replace")


def run(
    argv: Sequence[str | Path],
    *,
    typed: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 45,
) -> Output:
    """Run `argv` with `typed` as its standard input."""
    done = subprocess.run(
        [str(word) for word in argv],
        input=typed,
        capture_output=True,
        env=environment(**(env or {})),
        cwd=cwd,
        timeout=seconds,
        check=False,
    )
    return Output(done.returncode, done.stdout, done.stderr)
