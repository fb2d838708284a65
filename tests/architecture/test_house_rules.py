"""Rules that no linter knows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("proxyd", "protocols", "recorder", "bus", "config", "storage", "control", "bench")
MODULES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))
MAX_LINES = 400
QUEUES = {"asyncio.Queue", "queue.Queue", "Queue", "queue.SimpleQueue", "SimpleQueue"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls_in(path: Path) -> list[ast.Call]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_queue_has_a_bound(path: Path) -> None:
    # The element type may be written out: asyncio.Queue[bytes](8).
    unbound = [
        call.lineno
        for call in calls_in(path)
        if ast.unparse(call.func).split("[")[0] in QUEUES and not call.args + call.keywords
    ]
    assert not unbound, "a queue without maxsize"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_thread_has_a_name(path: Path) -> None:
    unnamed = [
        call.lineno
        for call in calls_in(path)
        if ast.unparse(call.func) in {"threading.Thread", "Thread"}
        and not {keyword.arg for keyword in call.keywords} & {"name"}
    ]
    assert not unnamed, "a thread without a name cannot be told apart in a dump"
