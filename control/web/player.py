"""The markup of the player, which the page and exported bundles share."""

import datetime as dt
import gzip
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE: Final = Path(__file__).parent
_LEVEL: Final = 6
"""Of gzip: terminals pack to a sixth of their size."""
TERMINAL_LISTS: Final = (
    ("everything", "All"),
    ("commands", "Commands"),
    ("keys", "Typed"),
    ("output", "Output"),
    ("titles", "Titles"),
    ("files", "Files"),
)
DESKTOP_LISTS: Final = (
    ("everything", "All"),
    ("keys", "Typed"),
    ("files", "Files"),
    ("clipboard", "Clipboard"),
)
_markup: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def player_markup(
    *,
    base: str,
    channel: int | None,
    started_at: dt.datetime,
    verify: str,
    video: str,
    lists: tuple[tuple[str, str], ...],
) -> Markup:
    """Return the player. `base` is its session's address; `video` that of a film, if any."""
    html = _markup.get_template("player.html").render(
        base=base,
        channel=channel,
        started_at=started_at.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
        verify=verify,
        video=video,
        lists=lists,
    )
    return Markup(html)  # noqa: S704 - made by a template that escapes what it is given


def bundle_page(
    *,
    title: str,
    session_id: UUID,
    recording: bytes,
    channels: Sequence[object],
    player: Markup,
    folder: Path,
) -> str:
    """Return a page that plays `recording`, JSON, from disk and without a network.

    `folder` is where the terminal's player lies. `control/web/static/bundle.js` reads the
    JSON: `channels`, each with `index`, `segments` and two `overviews`, with and without
    pauses, and `lines`. `channels` says what there is to choose from, as the page does.
    """
    return _markup.get_template("bundle.html").render(
        title=title,
        session_id=session_id,
        channels=channels,
        player=player,
        recording=b64encode(gzip.compress(recording, _LEVEL, mtime=0)).decode("ascii"),
        styles=[
            (folder / "asciinema-player.css").read_text("utf-8"),
            _static("page.css"),
            _static("play.css"),
        ],
        scripts=[
            (folder / "asciinema-player.min.js").read_text("utf-8"),
            _static("screens.js"),
            _static("bundle.js"),
        ],
        module=_static("play.js"),
    )


def _static(name: str) -> str:
    return (_HERE / "static" / name).read_text("utf-8")
