"""PuTTY and its tools, as the user types them; PuTTY itself on a screen of its own."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from peers.login import Login
from peers.needed import ROOT, environment, program, wait_until
from peers.output import Output, run
from peers.userland import stop

XWD_HEADER_BYTES = 3232


@dataclass(frozen=True)
class Putty:
    """The command-line tools of PuTTY with one credential."""

    login: Login
    fingerprints: list[str]

    def argv(self, name: str, *options: str) -> list[str]:
        return self.asking(name, "-pw", self.login.password, *options)

    def asking(self, name: str, *options: str) -> list[str]:
        """The same without the password."""
        given = ("-P", str(self.login.port), "-l", self.login.username)
        trusted = [word for one in self.fingerprints for word in ("-hostkey", one)]
        return [program(name), *given, *trusted, *options]

    def plink(self, *words: str, options: tuple[str, ...] = (), typed: bytes = b"") -> Output:
        argv = self.argv("plink", "-batch", "-ssh", *options)
        return run([*argv, "127.0.0.1", *words], typed=typed)

    def pscp(self, *words: str) -> Output:
        return run(self.argv("pscp", "-batch", *words))

    def psftp(self, script: Path) -> Output:
        return run(self.argv("psftp", "-batch", "-b", str(script), "127.0.0.1"))


class Screen:
    """A virtual X screen with keys that can be pressed on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = (folder / "xvfb.log").open("wb")
        argv = [program("Xvfb"), "-displayfd", "1", "-screen", "0", "1024x768x24"]
        # Else it starts anew when its last client leaves, and the next one may find nobody.
        argv.append("-noreset")
        self._server = subprocess.Popen(
            [*argv, "-nolisten", "tcp", "-fbdir", folder],
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._server.stdout is not None
        self.display = f":{self._server.stdout.readline().decode().strip()}"

    def start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            env=environment(DISPLAY=self.display, HOME=str(self.folder)),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def xdotool(self, *words: str) -> Output:
        return run([program("xdotool"), *words], env={"DISPLAY": self.display})

    def window(self, title: str) -> str:
        """The window that bears `title`, once there is one."""
        found: list[str] = []

        def look() -> bool:
            found[:] = self.xdotool("search", "--onlyvisible", "--name", title).text.split()
            return bool(found)

        wait_until(look, f"no window is called {title}", seconds=60, every=0.2)
        return found[0]

    def type(self, window: str, text: str) -> None:
        """PuTTY ignores keys that were sent to a window, so focus it and press them."""
        self.xdotool("windowfocus", "--sync", window)
        self.xdotool("type", "--delay", "15", text)
        self.xdotool("key", "Return")

    def colours(self) -> int:
        """How many different pixels the screen shows; `Xvfb_screen0` is the screenshot."""
        data = (self.folder / "Xvfb_screen0").read_bytes()[XWD_HEADER_BYTES:]
        return len({data[at : at + 4] for at in range(0, len(data) - 4, 4)})

    def settled(self) -> None:
        """Wait until it shows what was drawn last: programs draw a moment later."""
        seen = [b""]

        def is_still() -> bool:
            before, seen[0] = seen[0], (self.folder / "Xvfb_screen0").read_bytes()
            return seen[0] == before

        wait_until(is_still, "the screen never stands still", every=0.2)

    def picture(self, name: str) -> Path:
        """Keep what the screen shows, for whoever reads the report of the tests."""
        path = ROOT / "var" / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        done = run([program("convert"), f"xwd:{self.folder}/Xvfb_screen0", str(path)])
        assert done.status == 0, done.said
        return path

    def close(self) -> None:
        stop(self._server)
        assert self._server.stdout is not None
        self._server.stdout.close()
        self._log.close()


@pytest.fixture
def screen() -> Iterator[Screen]:
    with tempfile.TemporaryDirectory(prefix="proxyd-screen-") as folder:
        made = Screen(Path(folder))
        yield made
        made.close()
