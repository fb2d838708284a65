"""What surrounds the launcher: its user's folders, and how it calls itself again."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from clients.errors import MissingError


@dataclass(frozen=True)
class Surroundings:
    """Where things lie, for one user."""

    config: Path
    data: Path
    runtime: Path
    """For what lasts as long as a session, and that nobody else may read."""
    env: Mapping[str, str] = field(repr=False)
    itself: tuple[str, ...]
    """The words that start the launcher."""

    @classmethod
    def found(cls) -> Self:
        """Return them, as the XDG Base Directory Specification says where they are."""
        env = dict(os.environ)
        home = Path.home()
        return cls(
            config=_folder(env, "XDG_CONFIG_HOME", home / ".config") / "proxyd-launcher",
            data=_folder(env, "XDG_DATA_HOME", home / ".local/share"),
            runtime=_runtime(env),
            env=env,
            # -P: whatever lies beside a script is none of its parts.
            itself=(sys.executable, "-P", str(Path(sys.argv[0]).resolve())),
        )

    def program(self, name: str, what_for: str) -> str:
        """Return where a program lies; raise `MissingError`."""
        found = self.find(name)
        if found is None:
            raise MissingError(f"there is no {name} on this machine {what_for}: install it")
        return found

    def find(self, name: str) -> str | None:
        """Return where a program lies, if there is one."""
        return shutil.which(name, path=self.env.get("PATH"))

    @property
    def has_windows(self) -> bool:
        """Whether a program could open a window."""
        return bool(self.env.get("DISPLAY") or self.env.get("WAYLAND_DISPLAY"))


def _folder(env: Mapping[str, str], name: str, otherwise: Path) -> Path:
    given = Path(env.get(name, ""))
    # The specification has relative ones passed over.
    return given if given.is_absolute() else otherwise


def _runtime(env: Mapping[str, str]) -> Path:
    temporary = Path(tempfile.gettempdir())
    given = _folder(env, "XDG_RUNTIME_DIR", temporary)
    return given if os.access(given, os.W_OK | os.X_OK) else temporary
