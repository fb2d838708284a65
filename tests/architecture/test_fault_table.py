"""Every test and script that the table of faults names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (F\d+) \|(.*)\|$", re.MULTILINE)
NAMED = re.compile(r"`((?:tests|bench)/[\w/]+\.py)(?:::(\w+))?`")
NOT_RUN = "not run"


def test_every_fault_has_a_row() -> None:
    assert [name for name, _ in ROW.findall(TABLE)] == [f"F{n}" for n in range(1, 41)]


def test_every_row_names_what_shows_it_or_says_why_nothing_does() -> None:
    silent = [name for name, row in ROW.findall(TABLE) if not NAMED.search(row)]
    assert [name for name in silent if NOT_RUN not in dict(ROW.findall(TABLE))[name]] == []


def test_whatever_is_named_exists() -> None:
    named = NAMED.findall(TABLE)
    assert len(named) > 40
    assert [f"{path}::{test}" for path, test in named if not exists(path, test)] == []


def exists(path: str, test: str) -> bool:
    file = ROOT / path
    if not file.exists():
        return False
    return not test or re.search(rf"^(async )?def {test}\(", file.read_text(), re.M) is not None
