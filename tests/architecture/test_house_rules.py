"""Rules that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = (
    *("proxyd", "protocols", "recorder", "bus", "config", "storage", "control", "clients"),
    "bench",
)
MODULES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_LINES = 400
QUEUES = {"asyncio.Queue", "queue.Queue", "Queue", "queue.SimpleQueue", "SimpleQueue"}
THREADS = {"threading.Thread", "Thread"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call where a queue or a thread is named at all, and where it is."""
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        if "Queue" in text or "Thread" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call):
                    yield f"{name_of(path)}:{node.lineno}", node


def test_a_module_fits_in_the_head() -> None:
    written = (*MODULES, *TESTS)
    lines = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in written}
    assert len(lines) > 1000
    assert not {name: count for name, count in lines.items() if count > MAX_LINES}


def test_only_the_program_that_is_asked_imports_pyrdp() -> None:
    """It is under the GPL; see docs/decisions/0003-our-rdp-core-pyrdp-as-oracle.md."""
    imports = re.compile(r"^\s*(?:from|import) (?:pyrdp|rle)\b", re.MULTILINE)
    found = [path for path in (*MODULES, *TESTS) if imports.search(path.read_text("utf-8"))]
    assert [name_of(path) for path in found] == ["tests/oracles/pyrdp_answers.py"]


def test_a_queue_has_a_bound_and_a_thread_has_a_name() -> None:
    """Without a name it cannot be told apart in a dump. One reading is enough for both."""
    unbound, unnamed = [], []
    for where, call in calls():
        # The element type may be written out: asyncio.Queue[bytes](8).
        called = ast.unparse(call.func).split("[")[0]
        if called in QUEUES and not call.args + call.keywords:
            unbound.append(where)
        if called in THREADS and "name" not in {keyword.arg for keyword in call.keywords}:
            unnamed.append(where)
    assert (unbound, unnamed) == ([], [])
