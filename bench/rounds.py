"""Interleaved rounds, and the ratios that come of them."""

from collections.abc import Callable, Mapping, Sequence

from bench.figures import Figure, median
from bench.rig import Cost, Way

ROUNDS = 5
GIB = 1024**3

Costs = Mapping[str, Sequence[Cost]]


def interleaved(
    ways: Sequence[Way], run: Callable[[Way], Cost], rounds: int = ROUNDS
) -> dict[str, list[Cost]]:
    """Run each way once a round, so that a slow moment of the machine meets all of them."""
    costs: dict[str, list[Cost]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            costs[way.name].append(run(way))
    return costs


def ratio(costs: Costs, way: str, other: str) -> float:
    """Return the median over the rounds of one's wall time over the other's."""
    pairs = zip(costs[way], costs[other], strict=True)
    return median(a.wall_s / b.wall_s for a, b in pairs)


def wall_figures(what: str, costs: Costs, limits: Mapping[str, float]) -> list[Figure]:
    """Proxyd's wall time against each other way."""
    return [
        Figure(f"{what}: wall time, against {other}", ratio(costs, "proxyd", other), "x", limit)
        for other in costs
        if other != "proxyd"
        for limit in [limits.get(other)]
    ]


def cpu_figures(what: str, costs: Costs, size_bytes: int, limit: float | None) -> list[Figure]:
    """Give CPU seconds per GiB: of the engine's relay, of the target's sshd, of the rivals."""
    scale = GIB / size_bytes
    engine = median(cost.relay_s for cost in costs["proxyd"]) * scale
    whole = median(cost.between_s for cost in costs["proxyd"]) * scale
    sshd = median(cost.target_s for cost in costs["direct"]) * scale
    rivals = [
        Figure(
            f"{what}: CPU of {name}", median(c.between_s for c in costs[name]) * scale, "s/GiB"
        )
        for name in costs
        if name not in ("direct", "proxyd")
    ]
    return [
        Figure(f"{what}: CPU of the engine", engine, "s/GiB", limit),
        Figure(f"{what}: CPU of proxyd, storing and indexing too", whole, "s/GiB"),
        Figure(f"{what}: CPU of the engine, against sshd's own", engine / sshd, "x", 1),
        Figure(f"{what}: CPU of the target's sshd, direct", sshd, "s/GiB"),
        *rivals,
    ]
