"""`proxyd-launcher`: what is typed, and what browsers start with a link.

The token of a link is seen in argv by whoever looks at the machine's processes. So a link is
read, put into a pipe, and the launcher begins anew without it, before it is of use.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from clients.errors import ClientError, MissingError, UsageError
from clients.launcher import desktop_entry
from clients.launcher.answer import Order, decode
from clients.launcher.exchange import redeem
from clients.launcher.handover import fetch
from clients.launcher.link import parse_link
from clients.launcher.programs import OPENSSH, PUTTY
from clients.launcher.registry import Registry, address_of, server_of
from clients.launcher.saying import complain, say
from clients.launcher.starting import Starter
from clients.launcher.surroundings import Surroundings

_SETTINGS: Final = "launcher.json"
_MAX_LINK_BYTES: Final = 4096
_WINDOW: Final = "--window"
_USAGE: Final = """\
proxyd-launcher register https://HOST[:PORT] [--ca FILE | --fingerprint SHA256]
                         [--ssh ssh|putty] [--terminal "WORDS"] [--drive FOLDER]
proxyd-launcher unregister [https://HOST[:PORT]]
proxyd-launcher proxyd://HOST[:PORT]/launch/...

register    lets a page of proxyd start sessions on this machine
unregister  lets a page do so no more, or none
a link      starts the session that it stands for; browsers do that"""


def main(words: Sequence[str] | None = None, around: Surroundings | None = None) -> int:
    """Do what `words` say, by default those that were typed; return the exit status."""
    is_whole_process = words is None
    words = sys.argv[1:] if words is None else words
    around = around or Surroundings.found()
    try:
        _check_system()
        if is_whole_process:
            for number in (signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, _leave)
        return _carry_out(words, around)
    except ClientError as error:
        complain(str(error), around, window=_WINDOW in words)
        return error.status


def _carry_out(words: Sequence[str], around: Surroundings) -> int:
    first = words[0] if words else ""
    if first in {"-h", "--help"}:
        say(_USAGE)
        return 0
    if first in _COMMANDS:
        return _COMMANDS[first](words[1:], around)
    if len(words) == 1 or (len(words) == 2 and first == _WINDOW):  # noqa: PLR2004 - and a link
        _begin_anew(words, around)
    raise UsageError(f"this is not how it is used:\n{_USAGE}")


def _leave(number: int, _where: object) -> NoReturn:
    """Tidy up behind whoever closes the window."""
    raise SystemExit(128 + number)


def _check_system() -> None:
    if sys.platform != "linux":
        raise MissingError(
            "the launcher runs on Linux only: get a credential on the page, and use its lines"
        )


def _register(words: Sequence[str], around: Surroundings) -> int:
    parser = argparse.ArgumentParser("proxyd-launcher register", usage=_USAGE)
    parser.add_argument("page")
    recognised = parser.add_mutually_exclusive_group()
    recognised.add_argument("--ca")
    recognised.add_argument("--fingerprint")
    parser.add_argument("--ssh", choices=(OPENSSH, PUTTY))
    parser.add_argument("--terminal")
    parser.add_argument("--drive")
    given = parser.parse_args(words)
    page, path = address_of(given.page), around.config / _SETTINGS
    server = server_of(given.ca, given.fingerprint)
    registry = Registry.read(path).with_server(page, server)
    registry = registry.with_wishes(given.ssh, given.terminal, given.drive)
    for line in desktop_entry.install(around):
        say(line)
    registry.write(path)
    say(f"{page} may start sessions on this machine")
    return 0


def _unregister(words: Sequence[str], around: Surroundings) -> int:
    parser = argparse.ArgumentParser("proxyd-launcher unregister", usage=_USAGE)
    parser.add_argument("page", nargs="?")
    given, path = parser.parse_args(words), around.config / _SETTINGS
    if given.page is not None:
        page = address_of(given.page)
        Registry.read(path).without(page).write(path)
        say(f"{page} may start nothing on this machine any more")
        return 0
    path.unlink(missing_ok=True)
    for line in desktop_entry.remove(around):
        say(line)
    say("no page may start anything on this machine any more")
    return 0


def _begin_anew(words: Sequence[str], around: Surroundings) -> NoReturn:
    """Put the link into a pipe and become a process whose argv does not have it."""
    link = parse_link(words[-1])
    reading, writing = os.pipe()
    os.write(writing, str(link).encode("ascii"))
    os.close(writing)
    os.set_inheritable(reading, True)  # noqa: FBT003 - positional only
    again = [*around.itself, "follow", str(reading), *words[:-1]]
    os.execve(again[0], again, dict(around.env))  # noqa: S606 - itself


def _follow(words: Sequence[str], around: Surroundings) -> int:
    """Follow the link in a pipe."""
    descriptor = int(words[0])
    link = parse_link(os.read(descriptor, _MAX_LINK_BYTES).decode("ascii", "replace"))
    os.close(descriptor)
    registry = Registry.read(around.config / _SETTINGS)
    order = decode(redeem(link, registry.server(link.server)))
    wants_window = _WINDOW in words or not sys.stdin.isatty()
    return _start(order, registry, around, window=wants_window)


def _show(words: Sequence[str], around: Surroundings) -> int:
    """Go on in a window that was opened for it."""
    registry = Registry.read(around.config / _SETTINGS)
    try:
        return _start(decode(fetch(words[0])), registry, around, window=False)
    except ClientError as error:
        complain(str(error), around, window=False)
        # The window goes with its program, and what it says with the window.
        say("press Enter to close this window")
        sys.stdin.readline()
        return error.status


def _answer(words: Sequence[str], _around: Surroundings) -> int:
    """Give ssh the password."""
    sys.stdout.write(fetch(words[0]).decode("ascii"))
    return 0


def _start(order: Order, registry: Registry, around: Surroundings, *, window: bool) -> int:
    say(f"{order.secret}: {order.notice}")
    return Starter(around, registry).start(order, window=window)


_COMMANDS: Final[dict[str, Callable[[Sequence[str], Surroundings], int]]] = {
    "register": _register,
    "unregister": _unregister,
    "follow": _follow,
    "show": _show,
    "answer": _answer,
}
"""The last three are for itself alone."""
