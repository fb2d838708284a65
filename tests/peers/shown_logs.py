"""What a failed test shows of the daemons it asked for."""

from collections.abc import Generator
from typing import Any

import pytest
from peers.daemon import Daemon


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Show the end of the daemon's log beside what failed."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Daemon) and value.log.exists():
                report.sections.append(("log of proxyd", value.log.read_text()[-4000:]))
    return report
