"""How long a key takes to come back, on terminals that are asked in turn."""

import os
import time

from peers.terminal import Terminal

from bench.figures import Figure, median, quantile
from bench.rig import Rig

KEYS = 400
WARM_UP = 20
GAP_S = 0.004
LIMITS_MS = (0.3, 2.0)


def measure(rig: Rig) -> list[Figure]:
    """Measure the echo of single keys, added to that of a direct connection."""
    command = "stty raw echo; echo READY; cat > /dev/null"
    terminals = {
        name: Terminal(way.argv(command, terminal=True), env=way.env)
        for name, way in rig.ways.items()
    }
    try:
        for terminal in terminals.values():
            terminal.expect("READY", seconds=20)
            terminal.settle()
        echoes_ms = ask_in_turn(terminals)
    finally:
        for terminal in terminals.values():
            terminal.close()
    direct = echoes_ms.pop("direct")
    figures = [Figure("echo, direct: p50", median(direct), "ms")]
    for name, own in echoes_ms.items():
        limits = LIMITS_MS if name == "proxyd" else (None, None)
        added_p50 = median(own) - median(direct)
        added_p99 = quantile(own, 0.99) - quantile(direct, 0.99)
        figures.append(Figure(f"echo, {name}: added p50", added_p50, "ms", limits[0]))
        figures.append(Figure(f"echo, {name}: added p99", added_p99, "ms", limits[1]))
    return [*figures, Figure("echo: load of the machine", os.getloadavg()[0])]


def ask_in_turn(terminals: dict[str, Terminal]) -> dict[str, list[float]]:
    """Return how long each key took on each terminal, in milliseconds."""
    echoes_ms: dict[str, list[float]] = {name: [] for name in terminals}
    for key in range(KEYS + WARM_UP):
        for name, terminal in terminals.items():
            elapsed_s = terminal.echo_s(b"x")
            if key >= WARM_UP:
                echoes_ms[name].append(elapsed_s * 1000)
            time.sleep(GAP_S)
    return echoes_ms
