"""X displays without a screen, and what is typed, clicked, copied and seen on them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from peers.needed import environment, program, wait_until
from peers.output import Output, run
from peers.userland import stop


class Display:
    """An Xvfb of its own."""

    def __init__(self, size: str = "1024x768") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-display-"))
        chosen = self.folder / "number"
        with chosen.open("wb") as out, (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(program("Xvfb"), "-displayfd", str(out.fileno()), "-noreset"),
                    *("-screen", "0", f"{size}x24", "-nolisten", "tcp"),
                ],
                pass_fds=[out.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
            )
        wait_until(lambda: chosen.read_text().endswith("\n"), "Xvfb does not start")
        self.name = f":{chosen.read_text().strip()}"
        self.env = {"DISPLAY": self.name, "HOME": str(self.folder)}
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self, *argv: str, typed: bytes = b"", seconds: float = 20) -> Output:
        return run([program(argv[0]), *argv[1:]], env=self.env, typed=typed, seconds=seconds)

    def start(self, argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program on it; it ends with the display at the latest."""
        with log.open("ab") as out:
            child = subprocess.Popen(
                [program(argv[0]), *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(**self.env),
                cwd=self.folder,
            )
        self._children.append(child)
        return child

    def xdotool(self, *words: str) -> Output:
        done = self.run("xdotool", *words)
        assert done.status == 0, done.said
        return done

    def type(self, text: str) -> None:
        self.xdotool("type", "--delay", "25", text)

    def press(self, *keys: str) -> None:
        self.xdotool("key", *keys)

    def copy(self, text: str) -> None:
        """Put `text` onto its clipboard."""
        self.start_with_input(("xclip", "-selection", "clipboard", "-i"), text.encode())

    def start_with_input(self, argv: Sequence[str], typed: bytes) -> None:
        # xclip stays in the background to serve what it holds; its output must not.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it is no file
            subprocess.run(
                [program(argv[0]), *argv[1:]],
                input=typed,
                stdout=nowhere,
                stderr=nowhere,
                env=environment(**self.env),
                check=True,
                timeout=10,
            )

    def clipboard(self) -> str:
        done = self.run("xclip", "-selection", "clipboard", "-o")
        return done.stdout.decode(errors="replace")

    def screenshot(self) -> bytes:
        """The whole screen as RGB bytes."""
        return self.run("import", "-window", "root", "-depth", "8", "rgb:-").stdout

    def remove(self) -> None:
        for child in self._children:
            stop(child)
        stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
