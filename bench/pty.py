"""Text on a terminal: many small packets, all of it recorded."""

from bench.figures import Figure
from bench.rig import Rig
from bench.rounds import cpu_figures, interleaved, wall_figures

SIZE_BYTES = 30 * 1024**2
LINE = "The quick brown fox jumps over the lazy dog, {:07d} times and counting on it.\n"
CPU_LIMIT_S = 13


def measure(rig: Rig) -> list[Figure]:
    """Measure `cat` of a text on a terminal."""
    text = rig.target.folder / "text"
    lines = SIZE_BYTES // len(LINE.format(0))
    text.write_text("".join(map(LINE.format, range(lines))))
    text.chmod(0o644)
    costs = interleaved(
        list(rig.ways.values()),
        lambda way: rig.run(way, way.argv(f"cat {text}", terminal=True)),
    )
    text.unlink()
    return [
        *wall_figures("terminal output", costs, {}),
        *cpu_figures("terminal output", costs, SIZE_BYTES, CPU_LIMIT_S),
    ]
