"""A question to a daemon, asked by this process: tests that wait ask the same all the time.

To fork a process for each takes ten times as long as the answer, and from what is waited for.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from click.testing import CliRunner

from proxyd.cli import main


def ask_here(args: Sequence[str], env: Mapping[str, str]) -> Any:
    """Return what `proxyd --output json` answers; fail the test where it fails."""
    done = CliRunner().invoke(main, ["--output", "json", *args], env=dict(env))
    if done.exit_code != 0:
        pytest.fail(f"proxyd {' '.join(args)}: exit {done.exit_code}: {done.stderr[-800:]}")
    return json.loads(done.stdout)
