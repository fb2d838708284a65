"""Decoders under atheris: `python tests/fuzz/harness.py NAME[,NAME…] [libFuzzer options]`.

What is fuzzed is loaded once, for that takes longer than looking for faults; each decoder
then has a process of its own. Prints a line `NAME STATUS` for each, behind what it said.
"""

import os
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
OURS = ["bus", "control", "protocols", "recorder"]

with atheris.instrument_imports(include=OURS):
    from fuzz import decoders


def main() -> None:
    names = sys.argv.pop(1).split(",")
    for name in names:
        child = os.fork()
        if child == 0:
            fuzz(name)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{name} {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def fuzz(name: str) -> None:
    """Look for faults until the time is over; does not return."""
    os.dup2(1, 2)
    atheris.Setup(sys.argv, lambda data: decoders.check(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
