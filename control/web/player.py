"""The markup of the player, which the page and exported bundles share."""

import datetime as dt
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE: Final = Path(__file__).parent
TERMINAL_LISTS: Final = (
    ("commands", "Commands"),
    ("keys", "Typed"),
    ("output", "Output"),
    ("titles", "Titles"),
    ("files", "Files"),
)
DESKTOP_LISTS: Final = (
    ("commands", "Programs"),
    ("keys", "Typed"),
    ("titles", "Windows"),
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


def static_text(name: str) -> str:
    """Return one of our static files, for a page that must bring everything along."""
    return (_HERE / "static" / name).read_text("utf-8")
