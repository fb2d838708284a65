"""`python -m bench [NAMES]`: measure, print a table, write `bench/results.json`."""

import sys

from bench import (
    bulk,
    hostile,
    ingest,
    latency,
    launch,
    login,
    memory,
    pages,
    playback,
    pty,
    rdp,
    receipts,
    scale,
    sftp,
)
from bench.figures import Figure, keep, show
from bench.rig import Rig

MEASURES = {
    "latency": latency.measure,
    "launch": launch.measure,
    "login": login.measure,
    "bulk": bulk.measure,
    "sftp": sftp.measure,
    "pty": pty.measure,
    "hostile": hostile.measure,
    "memory": memory.measure,
    "rdp": rdp.measure,
    "ingest": ingest.measure,
    "receipts": receipts.measure,
    "scale": scale.measure,
    "playback": playback.measure,
    "pages": pages.measure,
}


def main(names: list[str]) -> int:
    """Measure what is named, or everything; return 1 where a limit was missed."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        sys.stderr.write(f"bench: {unknown[0]!r} is none of {', '.join(MEASURES)}\n")
        return 2
    figures: list[Figure] = []
    with Rig() as rig:
        for name in names or MEASURES:
            sys.stderr.write(f"bench: {name}\n")
            figures += MEASURES[name](rig)
    show(figures)
    keep(figures)
    return int(any(figure.verdict == "MISS" for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
