"""Makes the launcher what the desktop opens `proxyd:` links with (Desktop Entry 1.5)."""

import contextlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Final

from clients.errors import UsageError
from clients.launcher.surroundings import Surroundings

NAME: Final = "proxyd-launcher.desktop"
SCHEME: Final = "x-scheme-handler/proxyd"
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._+@:-]+")
_TOOL_S: Final = 30.0
_ENTRY: Final = """\
[Desktop Entry]
Type=Application
Version=1.0
Name=proxyd launcher
Comment=Opens sessions from links of a proxyd page
Exec={command}
Terminal=false
NoDisplay=true
StartupNotify=false
MimeType={scheme};
"""


def install(around: Surroundings) -> list[str]:
    """Write the entry and make it the default; return what was done, a line each.

    Raises `UsageError` where it cannot be written.
    """
    folder = around.data / "applications"
    path = folder / NAME
    try:
        itself = _kept(around)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(entry(itself), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    told = [f"wrote {path}"]
    _run(around, "update-desktop-database", str(folder))
    if _run(around, "xdg-mime", "default", NAME, SCHEME):
        told.append("made it what opens proxyd: links")
    else:
        told.append(f"choose it for {SCHEME} in your desktop: there is no xdg-mime here")
    return told


def remove(around: Surroundings) -> list[str]:
    """Remove the entry, and the launcher's copy of itself; return what was done."""
    path = around.data / "applications" / NAME
    was_there = path.exists()
    path.unlink(missing_ok=True)
    shutil.rmtree(_copy(around).parent, ignore_errors=True)
    _run(around, "update-desktop-database", str(path.parent))
    return [f"removed {path}"] if was_there else []


def entry(itself: tuple[str, ...]) -> str:
    """Return the entry's text. The link is one word, whatever is in it."""
    words = [*map(_quoted, itself), "--window", "%u"]
    return _ENTRY.format(command=" ".join(words), scheme=SCHEME)


def _quoted(word: str) -> str:
    # Not everything that reads entries knows quotes, so they stand where they must.
    if _PLAIN.fullmatch(word):
        return word
    inner = word.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    inner = inner.replace("$", "\\$").replace("%", "%%")
    # The value of a key is read before the words in it are: a backslash counts twice.
    return f'"{inner}"'.replace("\\", "\\\\")


def _kept(around: Surroundings) -> tuple[str, ...]:
    """Return the words that start the launcher later: a download does not stay where it is."""
    *python, script = around.itself
    is_download = zipfile.is_zipfile(script) and os.access(script, os.W_OK)
    if not is_download or Path(script) == _copy(around):
        return around.itself
    _copy(around).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(script, _copy(around))
    return (*python, str(_copy(around)))


def _copy(around: Surroundings) -> Path:
    return around.data / "proxyd-launcher" / "proxyd-launcher.pyz"


def _run(around: Surroundings, name: str, *words: str) -> bool:
    """Run one of the desktop's tools, if it is there; say whether it did what it should."""
    program = around.find(name)
    if program is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603 - words of ours
            [program, *words], env=dict(around.env), check=False, timeout=_TOOL_S
        )
        return done.returncode == 0
    return False
