"""What a failed test shows of the daemons it asked for."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from peers.daemon import Daemon
from peers.site import Site


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Show the ends of the daemons' logs beside what failed."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for name, daemon in _daemons(value):
                if daemon.log.exists():
                    report.sections.append((f"log of {name}", daemon.log.read_text()[-4000:]))
    return report


def _daemons(value: object) -> Iterator[tuple[str, Daemon]]:
    match value:
        case Daemon():
            yield "proxyd", value
        case Site():
            yield "control", value.control
            yield "the engine", value.engine
            yield from ((f"worker {number}", one) for number, one in enumerate(value.workers))
