"""One decoder under atheris: `python tests/fuzz/harness.py NAME [libFuzzer options]`."""

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
OURS = ["bus", "control", "protocols", "recorder"]

with atheris.instrument_imports(include=OURS):
    from fuzz import decoders


def main() -> None:
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: decoders.check(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
