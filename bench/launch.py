"""A session that was launched from the terminal, against one by a proxy credential."""

from pathlib import Path

from peers.terminal import Terminal

from bench.figures import Figure, median
from bench.latency import ask_in_turn
from bench.rig import Rig, Way
from bench.rounds import interleaved, ratio

SIZE_BYTES = 1024**3
LIMIT = 1.1
PASSWORD = "Correct-Horse-9-Battery"  # noqa: S105 - of a daemon that lives for the measurement


def measure(rig: Rig) -> list[Figure]:
    """Measure bytes down and the echo of single keys, both ways in turn."""
    alice = rig.daemon.dress("", "alice", PASSWORD)
    launched = Way("launched", alice.config, "proxy", alice.env, rig.engine_cpu)
    ways = (rig.ways["proxyd"], launched)
    script = rig.target.folder / "down.sh"
    # By `exec`, so that neither way's shell reads on.
    script.write_text(f"exec head -c {SIZE_BYTES} /dev/zero\n")
    costs = interleaved(ways, lambda way: rig.run(way, _shell(way), source=Path(script)))
    return [
        Figure("launched: down", ratio(costs, "launched", "proxyd"), "x", LIMIT),
        *_echoes(ways),
    ]


def _shell(way: Way, *options: str) -> list[str]:
    launch = ["launch web"] if way.name == "launched" else []
    return ["ssh", "-F", str(way.config), *options, way.host, *launch]


def _echoes(ways: tuple[Way, ...]) -> list[Figure]:
    terminals = {way.name: Terminal(_shell(way, "-tt"), env=way.env) for way in ways}
    try:
        for terminal in terminals.values():
            terminal.expect(r"\$ ", seconds=20)
            terminal.type("stty raw echo; echo REA''DY; cat > /dev/null\r")
            terminal.expect("READY", seconds=20)
            terminal.settle()
        echoes_ms = ask_in_turn(terminals)
    finally:
        for terminal in terminals.values():
            terminal.close()
    p50_ms = {name: median(own) for name, own in echoes_ms.items()}
    return [
        Figure("launched: echo p50", p50_ms["launched"] / p50_ms["proxyd"], "x", LIMIT),
        Figure("launched: echo p50, by a proxy credential", p50_ms["proxyd"], "ms"),
    ]
