"""Tells the user what happened: on his terminal, or in a window where he has none."""

import contextlib
import subprocess
import sys
from typing import Final

from clients.launcher.surroundings import Surroundings

_TITLE: Final = "proxyd launcher"
_SHOWN_S: Final = 60.0
_BOXES: Final = (
    ("zenity", "--error", "--no-markup", f"--title={_TITLE}", "--text={}"),
    ("kdialog", "--title", _TITLE, "--error", "{}"),
    ("xmessage", "-center", "-title", _TITLE, "{}"),
)
"""Programs that show a box, with where the text belongs."""


def say(text: str) -> None:
    """Write a line on the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str, around: Surroundings, *, window: bool) -> None:
    """Say what went wrong; with `window` also in a box, for whoever came from a browser."""
    sys.stderr.write(f"proxyd-launcher: {text}\n")
    if not window or not around.has_windows:
        return
    for name, *words in _BOXES:
        if program := around.find(name):
            filled = [word.replace("{}", text) for word in words]
            with contextlib.suppress(subprocess.TimeoutExpired, OSError):
                subprocess.run(  # noqa: S603 - words of ours
                    [program, *filled],
                    env=dict(around.env),
                    check=False,
                    timeout=_SHOWN_S,
                    stdin=subprocess.DEVNULL,
                )
            return
