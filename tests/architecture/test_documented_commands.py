"""Every command and metric that the documents show is one that is there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from proxyd.cli import main
from proxyd.metrics import Metrics

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "docs/operations.md", ROOT / "docs/commands.md"]
TEXT = {document.name: document.read_text(encoding="utf-8") for document in DOCUMENTS}
BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(proxyd [^`]+)`")


def command_lines() -> list[str]:
    """What a reader would type: from code blocks, comments cut off, and from the text."""
    found: set[str] = set()
    for text in TEXT.values():
        found |= set(INLINE.findall(text))
        for block in BLOCK.findall(text):
            for line in block.replace("\\\n", " ").splitlines():
                typed = re.search(r"(?:^|/|-- )(proxyd [a-z-].*)", line.partition("#")[0])
                found |= {typed[1].strip(" &")} if typed else set()
    return sorted(found)


def test_there_is_something_to_check() -> None:
    assert len(command_lines()) > 15


@pytest.mark.parametrize("line", command_lines())
def test_a_command_in_a_document_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    while words and isinstance(command, click.Group):
        context = click.Context(command)
        if words[0] in ("--config", "--output"):
            words = words[2:]
            continue
        found = command.get_command(context, words.pop(0))
        assert found, f"`{line}`: {command.name} has no such command"
        command = found
    known = {name for parameter in command.params for name in parameter.opts}
    known |= {name for parameter in command.params for name in parameter.secondary_opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(proxyd_\w+)", TEXT["operations.md"])))
)
def test_a_metric_in_a_document_exists(name: str) -> None:
    exposed = {
        sample + suffix
        for family in Metrics().registry.collect()
        for sample in [family.name]
        for suffix in ("", "_total")
    }
    assert name in exposed
