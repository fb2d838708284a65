"""No secret that was typed into a real program is kept, and hardly an ordinary line is lost."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from recorder.events import ClientData, KnownEvent
from recorder.masking import Masker

CORPUS = Path(__file__).parents[2] / "data" / "masking"
SCENES = sorted(path.stem for path in CORPUS.glob("*.json"))
LAGS_MS = (0, 40, 150)
"""The corpus was made without a network; outputs come this much later with one."""


@dataclass(frozen=True)
class Outcome:
    leaked: list[str]
    lost: list[str]
    secrets: int
    lines: int


def outcome(name: str, lag_ms: int) -> Outcome:
    scene = json.loads((CORPUS / f"{name}.json").read_text())
    kept = b"".join(
        event.data for event in replay(scene["events"], lag_ms) if isinstance(event, ClientData)
    )
    lost, position = [], 0
    for line in scene["lines"]:
        found = kept.find(line.encode(), position)
        position = max(position, found + 1)
        lost += [line] if found < 0 else []
    leaked = [secret for secret in scene["secrets"] if shows(kept, secret.encode())]
    return Outcome(leaked, lost, len(scene["secrets"]), len(scene["lines"]))


def shows(kept: bytes, secret: bytes) -> bool:
    return any(secret[start : start + 3] in kept for start in range(len(secret) - 2))


def replay(events: list[tuple[int, str, str]], lag_ms: int) -> list[KnownEvent]:
    masker, kept, at_ms = Masker(0), list[KnownEvent](), 0
    delayed = sorted(
        (at + lag_ms * (way == "o"), number) for number, (at, way, _) in enumerate(events)
    )
    for at_ms, number in delayed:
        _, way, text = events[number]
        while masker.deadline_ms is not None and masker.deadline_ms < at_ms:
            kept += masker.tick(masker.deadline_ms)
        happened = masker.typed if way == "i" else masker.shown
        kept += happened(at_ms, text.encode("latin-1"))
    return kept + masker.flush(at_ms + 1)


@pytest.mark.parametrize("lag_ms", LAGS_MS)
@pytest.mark.parametrize("name", SCENES)
def test_no_secret_typed_into_a_real_program_is_kept(name, lag_ms):
    assert outcome(name, lag_ms).leaked == []


@pytest.mark.parametrize("lag_ms", LAGS_MS)
def test_of_the_lines_typed_into_real_programs_hardly_one_is_lost(lag_ms, capsys):
    outcomes = [outcome(name, lag_ms) for name in SCENES]
    secrets, lines = (
        sum(getattr(each, what) for each in outcomes) for what in ("secrets", "lines")
    )
    leaked = sum(len(each.leaked) for each in outcomes)
    lost = [line for each in outcomes for line in each.lost]
    with capsys.disabled():
        print(  # noqa: T201
            f"\nmasking, echo {lag_ms} ms late: {secrets - leaked} of {secrets} secrets masked"
            f" ({1 - leaked / secrets:.1%}), {lines - len(lost)} of {lines} ordinary lines kept"
            f" ({1 - len(lost) / lines:.1%}); not kept: {lost}"
        )
    assert len(lost) <= lines * 0.02
