"""PyRDP, in a venv of its own that `script/pyrdp-oracle` makes, as a program that is asked."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "oracles" / "pyrdp_answers.py"


class PyRDPError(Exception):
    """PyRDP could not read it; what it raised."""


class PyRDP:
    """The program, while it runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, question: str, data: bytes | memoryview, **more: object) -> Any:
        """Return PyRDP's answer; raise `PyRDPError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"ask": question, "data": bytes(data).hex(), **more}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"PyRDP died of {asked}"
        told = json.loads(line)
        if "error" in told:
            raise PyRDPError(told["error"])
        return told["answer"]


@pytest.fixture(scope="session")
def pyrdp() -> Iterator[PyRDP]:
    """PyRDP, to be asked."""
    assert "PROXYD_PYRDP" in os.environ, "no venv with PyRDP: run script/pyrdp-oracle"
    python = Path(os.environ["PROXYD_PYRDP"]) / "bin" / "python"
    # Isolated: nothing of ours can come before what is in its venv.
    command = [str(python), "-I", str(PROGRAM)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield PyRDP(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0
