"""From starting the client to the end of `true`."""

from bench.figures import Figure, median
from bench.rig import Rig
from bench.rounds import interleaved, wall_figures

ROUNDS = 15
CPU_LIMIT_MS = 12


def measure(rig: Rig) -> list[Figure]:
    """Measure logins one after the other."""
    costs = interleaved(
        list(rig.ways.values()), lambda way: rig.run(way, way.argv("true")), ROUNDS
    )
    engine_ms = 1000 * median(cost.relay_s for cost in costs["proxyd"])
    whole_ms = 1000 * median(cost.between_s for cost in costs["proxyd"])
    return [
        *wall_figures("login", costs, {"direct": 1.0}),
        Figure("login: CPU of the engine", engine_ms, "ms", CPU_LIMIT_MS),
        Figure("login: CPU of proxyd, storing and indexing too", whole_ms, "ms"),
        Figure("login: direct takes", 1000 * median(c.wall_s for c in costs["direct"]), "ms"),
    ]
