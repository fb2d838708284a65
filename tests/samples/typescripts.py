"""What real programs sent to a real terminal of 80 by 24."""

from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "data" / "typescripts"

TYPESCRIPTS = {path.stem: path.read_bytes() for path in sorted(_FOLDER.iterdir())}
COLUMNS, ROWS = 80, 24
