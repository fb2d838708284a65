"""What proxyd costs, as ratios against other ways through, measured in one run.

The peers of the tests are the peers here, so they are made importable.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

sys.path.insert(0, str(ROOT / "tests"))
