"""Every test and script that the tables of faults and of checks name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([FC]\d+) \|(.*)\|$", re.MULTILINE)
NAMED = re.compile(r"`((?:tests|bench)/[\w/]+\.py)(?:::(\w+))?`")
SILENT = ("not run", "the same", "each test of a page here")
TABLES = {
    "docs/reliability.md": [f"F{number}" for number in range(1, 41)],
    "docs/page-checks.md": [f"C{number}" for number in range(1, 36)],
}


@pytest.mark.parametrize(("document", "names"), TABLES.items())
def test_every_row_is_there_and_names_what_shows_it(document: str, names: list[str]) -> None:
    """Or says why nothing does."""
    rows = ROW.findall((ROOT / document).read_text(encoding="utf-8"))
    assert [name for name, _ in rows] == names
    silent = [row for _, row in rows if not NAMED.search(row)]
    assert [row for row in silent if not any(word in row for word in SILENT)] == []


@pytest.mark.parametrize("document", TABLES)
def test_whatever_is_named_exists(document: str) -> None:
    named = NAMED.findall((ROOT / document).read_text(encoding="utf-8"))
    assert len(named) > 40
    assert [f"{path}::{test}" for path, test in named if not exists(path, test)] == []


def exists(path: str, test: str) -> bool:
    file = ROOT / path
    if not file.exists():
        return False
    return not test or re.search(rf"^(async )?def {test}\(", file.read_text(), re.M) is not None
