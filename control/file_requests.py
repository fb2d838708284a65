"""What an operator can say about the files that a secret lets cross."""

from typing import Annotated

from msgspec import Meta, Struct

from bus.file_rules import EVERYTHING, Direction, FileVerdict, RuleName
from control.request import Request


class PutFileRule(Request, frozen=True, kw_only=True):
    """Add a rule about a secret's files, or change it."""

    secret: str
    name: RuleName
    verdict: FileVerdict
    directions: Annotated[tuple[Direction, ...], Meta(min_length=1, max_length=2)] = (
        Direction.UPLOAD,
        Direction.DOWNLOAD,
    )
    glob: str = EVERYTHING
    """`**`, or a path from `/`: `*` and `?` stay within a name, `/**` is all below."""


class ForgetFileRule(Request, frozen=True, kw_only=True):
    """Take a rule away."""

    secret: str
    name: str


class ListFileRules(Request, frozen=True, kw_only=True):
    """What a secret says about files, by name."""

    secret: str


class KeepFiles(Request, frozen=True, kw_only=True):
    """Say how much is kept of what files hold."""

    secret: str
    files_bytes: Annotated[int, Meta(ge=0, le=2**53)] | None
    """Each way, of each channel that carries files; None: as much as of other channels."""


class FileRuleSummary(Struct, frozen=True, kw_only=True):
    """A rule about files."""

    name: str
    verdict: FileVerdict
    directions: tuple[Direction, ...]
    glob: str


FileRequest = PutFileRule | ForgetFileRule | ListFileRules | KeepFiles
