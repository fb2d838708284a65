"""A large file by SFTP, down and up."""

import tempfile
from pathlib import Path

from bench.figures import Figure
from bench.rig import Cost, Rig, Way
from bench.rounds import cpu_figures, interleaved, wall_figures

SIZE_BYTES = 200 * 1024**2
LIMITS = {"direct": 1.15}
CPU_LIMIT_S = None
"""The file ledger digests every file besides; the goal is set for plain streams."""


def measure(rig: Rig) -> list[Figure]:
    """Measure both directions. A bastion with a recording shell offers no SFTP."""
    ways = [rig.ways[name] for name in ("direct", "jump", "proxyd")]
    figures = []
    with rig.file(SIZE_BYTES) as zeros, tempfile.NamedTemporaryFile() as script:
        scripts = {
            "sftp down": f"get {zeros} /dev/null\n",
            "sftp up": f"put {zeros} {rig.target.home()}/uploaded\n",
        }
        for what, text in scripts.items():
            Path(script.name).write_text(text)
            costs = interleaved(ways, lambda way: _transfer(rig, way, script.name))
            figures += wall_figures(what, costs, LIMITS)
            figures += cpu_figures(what, costs, SIZE_BYTES, CPU_LIMIT_S)
    return figures


def _transfer(rig: Rig, way: Way, script: str) -> Cost:
    argv = ["sftp", "-q", "-F", str(way.config), "-o", "BatchMode=no", "-b", script, way.host]
    return rig.run(way, argv)
