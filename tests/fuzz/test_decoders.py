"""Nothing that a stranger writes makes a decoder fail in a way that it does not declare."""

import sys
from pathlib import Path

import pytest
from fuzz import decoders
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.needed import ROOT, wanted
from peers.output import run

SECONDS = wanted("PROXYD_FUZZ_S", 1)
RUNS = -1 if SECONDS > 1 else 4000
"""Where nobody asked for more, a quick decoder needs no whole second."""
HARNESS = Path(__file__).with_name("harness.py")


@pytest.mark.parametrize("name", decoders.DECODERS)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_noise_raises_only_declared_errors(name: str, data: bytes):
    decoders.check(name, data)


@pytest.mark.timeout(60 + 2 * len(decoders.DECODERS) * SECONDS)
def test_a_fuzzer_finds_nothing(tmp_path: Path):
    pytest.importorskip("atheris")
    limits = (
        f"-max_total_time={SECONDS}",
        f"-runs={RUNS}",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1024",
    )
    names = list(decoders.DECODERS)
    argv = [sys.executable, HARNESS, ",".join(names), *limits, f"-artifact_prefix={tmp_path}/"]
    done = run([*argv, "-seed=7"], cwd=ROOT, seconds=60 + 2 * len(names) * SECONDS)
    told = [line for line in done.text.splitlines() if line.partition(" ")[0] in names]
    assert told == [f"{name} 0" for name in names], done.said[-6000:]
