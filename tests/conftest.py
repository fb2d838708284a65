"""Fixtures every test may ask for. The real programs live in `tests/peers`, a module each."""

from pathlib import Path

PEERS = Path(__file__).parent / "peers"

pytest_plugins = sorted(
    f"peers.{path.stem}" for path in PEERS.glob("*.py") if path.stem != "__init__"
)
