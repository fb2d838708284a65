"""A figure, its limit, and how both are shown and kept."""

import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct, to_builtins
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")


class Figure(Struct, frozen=True):
    """One measured number. Without a limit it is there to compare with."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    """The value may be this, and no more."""

    @property
    def verdict(self) -> str:
        """`ok`, `MISS`, or nothing where there is no limit."""
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "MISS"


def median(values: Iterable[float]) -> float:
    """Return the middle one."""
    return statistics.median(values)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of them lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def show(figures: Sequence[Figure]) -> None:
    """Print a table."""
    table = Table("figure", "measured", "limit", "")
    for one in figures:
        limit = "" if one.limit is None else f"{one.limit:g}"
        table.add_row(one.name, f"{one.value:.3g} {one.unit}".strip(), limit, one.verdict)
    Console(width=110).print(table)


def keep(figures: Sequence[Figure]) -> None:
    """Write `bench/results.json`."""
    results = {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release()},
        "load": os.getloadavg()[0],
        "figures": [{**to_builtins(one), "verdict": one.verdict} for one in figures],
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
