"""Commands by which one account becomes another: `su`, `sudo`, or whatever the target has."""

import shlex
from itertools import pairwise
from typing import Final

MAX_COMMAND: Final = 200


class BecomeError(ValueError):
    """No command to become somebody by. The message is for whoever wrote it."""


def check(command: str) -> None:
    """Raise `BecomeError` where `command` is none."""
    if not command.strip() or not command.isprintable() or len(command) > MAX_COMMAND:
        raise BecomeError(f"a command is printable, and of at most {MAX_COMMAND} characters")
    try:
        shlex.split(command)
    except ValueError as error:
        raise BecomeError(f"`{command}`: {error}") from error


def account_of(command: str) -> str:
    """Return who `command` makes of somebody, as far as it tells; else `root`."""
    words = shlex.split(command)[1:]
    for option, name in pairwise(words):
        if option in {"-u", "--user"}:
            return name
    is_su = command.split(maxsplit=1)[0].rpartition("/")[2] == "su"
    named = [word for word in words if not word.startswith("-")]
    return named[0] if is_su and named else "root"
