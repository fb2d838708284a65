"""Many bytes through a command, down and up."""

from bench.figures import Figure
from bench.rig import Cost, Rig, Way
from bench.rounds import cpu_figures, interleaved, wall_figures

SIZE_BYTES = 1024**3
LIMITS = {"direct": 1.15, "jump": 0.6}
CPU_LIMIT_S = 2.2


def measure(rig: Rig) -> list[Figure]:
    """Measure both directions."""
    ways = [rig.ways[name] for name in ("direct", "jump", "proxyd")]
    command = f"head -c {SIZE_BYTES} /dev/zero"
    down = interleaved(ways, lambda way: rig.run(way, way.argv(command)))
    with rig.file(SIZE_BYTES) as zeros:

        def send(way: Way) -> Cost:
            return rig.run(way, way.argv("cat > /dev/null"), source=zeros)

        up = interleaved(ways, send)
    return [
        *wall_figures("bulk down", down, LIMITS),
        *cpu_figures("bulk down", down, SIZE_BYTES, CPU_LIMIT_S),
        *wall_figures("bulk up", up, LIMITS),
        *cpu_figures("bulk up", up, SIZE_BYTES, CPU_LIMIT_S),
        *_against_bastion(rig),
    ]


def _against_bastion(rig: Rig) -> list[Figure]:
    """Send less: a bastion that records every byte as JSON takes its time."""
    share_bytes = SIZE_BYTES // 64
    ways = [rig.ways[name] for name in ("direct", "bastion", "proxyd")]
    costs = interleaved(
        ways, lambda way: rig.run(way, way.argv(f"head -c {share_bytes} /dev/urandom"))
    )
    return wall_figures("bulk down, 16 MiB", {k: costs[k] for k in ("bastion", "proxyd")}, {})
