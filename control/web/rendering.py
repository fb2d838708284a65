"""HTML from the templates beside this. Whatever is filled in is text, never markup."""

import datetime as dt
from http import HTTPStatus
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from control.rights import Right
from control.web.done import DONE
from control.web.visitor import Visitor

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")
_KILO: Final = 1000


def render(
    request: Request, template: str, status_code: int = HTTPStatus.OK, **values: object
) -> HTMLResponse:
    """Return `template` filled in.

    Every template also has `visitor` (None where nobody is logged in), `Right`, `path`, and
    `static` and `asset`, which return addresses of files.
    """
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    html = _templates.get_template(template).render(
        visitor=visitor,
        Right=Right,
        path=request.url.path,
        static=request.app.state.static,
        asset=request.app.state.assets,
        provider=getattr(request.app.state.page.provider, "name", ""),
        done=DONE.get(request.query_params.get("done", ""), ""),
        **values,
    )
    return HTMLResponse(html, status_code)


def moment(value: dt.datetime | None) -> str:
    """Return a moment as lists show it, in UTC."""
    return "" if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def iso(value: dt.datetime | None) -> str:
    """Return a moment for `<time datetime>`."""
    return "" if value is None else value.astimezone(dt.UTC).isoformat(timespec="seconds")


def lasted(value: dt.timedelta | None) -> str:
    """Return how long something took: `1:02:03`."""
    if value is None:
        return ""
    minutes, seconds = divmod(max(0, int(value.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def position(at_ms: int) -> str:
    """Return a place in a recording: `1:02:03`."""
    return lasted(dt.timedelta(milliseconds=at_ms))


def size(value: int) -> str:
    """Return a number of bytes in words."""
    amount, unit = float(value), 0
    while amount >= _KILO and unit < len(_UNITS) - 1:
        amount, unit = amount / _KILO, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def marked(text: str, wanted: str) -> Markup:
    """Return `text`, with what was looked for marked wherever it stands."""
    lower, what = text.lower(), wanted.lower()
    # Lower case may have another length: then nothing is marked rather than the wrong thing.
    if not what or len(lower) != len(text):
        return escape(text)
    parts, at = [], 0
    while (hit := lower.find(what, at)) >= 0:
        end = hit + len(what)
        parts += [escape(text[at:hit]), Markup("<mark>{}</mark>").format(text[hit:end])]
        at = end
    return Markup("").join([*parts, escape(text[at:])])


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = {"moment": moment, "iso": iso, "lasted": lasted, "position": position}
    environment.filters.update(filters | {"size": size, "marked": marked})
    return environment


_templates: Final = _environment()
