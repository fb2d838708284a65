"""Fixtures every test may ask for. The real programs live in `tests/peers`, a module each."""

from pathlib import Path

import pytest

# They import each other, which must not come before pytest has rewritten their asserts.
pytest.register_assert_rewrite("peers")

pytest_plugins = sorted(
    f"peers.{path.stem}"
    for path in (Path(__file__).parent / "peers").glob("*.py")
    if path.stem != "__init__"
)
