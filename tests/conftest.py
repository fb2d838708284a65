"""Fixtures every test may ask for. The real programs live in `tests/peers`, a module each."""

import gc
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Started in the background all this ignores Ctrl-C, and so would what is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does: no test fails by that.
settings.register_profile("proxyd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("proxyd")

# They import each other, which must not come before pytest has rewritten their asserts.
pytest.register_assert_rewrite("peers")

pytest_plugins = sorted(
    f"peers.{path.stem}"
    for path in (Path(__file__).parent / "peers").glob("*.py")
    if path.stem != "__init__"
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests stay to the end: the collector of garbage need not walk them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(autouse=True)
def _no_log_left_behind() -> Iterator[None]:
    """Where one test sends the log is no matter of the next one's."""
    yield
    structlog.reset_defaults()
