"""Which files a secret lets cross, by direction and by path. It travels with the grant.

A `refuse` rule that names a file refuses it. In a direction that has `allow` rules, only what
one of them names may cross. The order of the rules says nothing.
"""

import enum
import re
from collections.abc import Callable
from typing import Annotated, Final

import re2
from msgspec import Meta, Struct

MAX_GLOB: Final = 1000
EVERYTHING: Final = "**"

RuleName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
_PARTS = re.compile(r"/\*\*(?=/|\Z)|\*|\?|[^*?]", re.DOTALL)
_MEANING: Final = {"/**": "(?:/.*)?", "*": "[^/]*", "?": "[^/]"}


class Direction(enum.StrEnum):
    """Which way a file crosses."""

    UPLOAD = "upload"
    """To the target; whatever else changes a file there counts as this."""
    DOWNLOAD = "download"


class FileVerdict(enum.StrEnum):
    """What a rule says of the files that it names."""

    ALLOW = "allow"
    REFUSE = "refuse"


class FileRule(Struct, frozen=True, kw_only=True):
    """One rule about files."""

    name: RuleName
    verdict: FileVerdict
    directions: tuple[Direction, ...]
    glob: str
    """`**` names every file; else a path from `/`, see `glob_matcher`."""


class GlobError(ValueError):
    """A glob that is none. The message is for whoever wrote it."""


def glob_matcher(glob: str) -> Callable[[str], bool]:
    """Return what says whether `glob` names a path; raise `GlobError`.

    `*` and `?` stay within one name. `/**` is whatever lies below, and the folder itself.
    """
    if glob == EVERYTHING:
        return lambda _path: True
    if not glob.startswith("/") or not glob.isprintable() or len(glob) > MAX_GLOB:
        raise GlobError(
            f"`{glob}` names no files: write {EVERYTHING} for all, or a path from / with *, ? "
            f"and /**, of at most {MAX_GLOB} characters"
        )
    if "//" in glob or "/../" in f"{glob}/" or "/./" in f"{glob}/":
        raise GlobError(f"`{glob}` names no files: paths are compared without `.`, `..` and //")
    parts = (_MEANING.get(part) or re2.escape(part) for part in _PARTS.findall(glob))
    compiled = re2.compile("(?s)" + "".join(parts))
    return lambda path: compiled.fullmatch(path) is not None
