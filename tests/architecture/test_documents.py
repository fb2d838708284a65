"""What the documents point at exists."""

import re
from pathlib import Path

import pytest

from config.schema import KEYS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")
PATH = re.compile(
    r"\b(?:(?:proxyd|protocols|recorder|bus|config|storage|control|clients|systemd|script|bench|tests|docs)"
    r"/[\w./-]*\w/?|[A-Z]+\.md)"
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_link_leads_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_every_path_in_the_code_map_exists() -> None:
    paths = PATH.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    assert len(paths) > 30
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_reference_file_explains_every_setting() -> None:
    text = (ROOT / "config/proxyd.toml").read_text(encoding="utf-8")
    for keys in KEYS.values():
        for key in keys:
            assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), key
