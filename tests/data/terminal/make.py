"""Makes the typescripts beside this file: real programs on a real terminal.

Run it by hand where the programs are; the tests read what it wrote. A typescript is
JSON lines: `[at_ms, "i" or "o", text]`, and its first line is the terminal's size.
"""

import json
import os
import pty
import select
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from pathlib import Path

COLUMNS, ROWS = 80, 24
BASH = ["bash", "--norc", "--noprofile", "-i"]
ENTER, UP, TAB, ESCAPE = "\r", "\x1b[A", "\t", "\x1b"
REDRAWING = """
import curses, time
def main(screen):
    for turn in range(12):
        screen.erase()
        screen.addstr(0, 0, f"turn {turn:4d}  load 0.{turn:02d}")
        for row in range(2, 22):
            percent = row * turn % 97
            line = f"{1000 + row:6d} user{row:02d}  {percent:3d}.0  task-{row}"
            screen.addstr(row, 0, line)
        screen.refresh()
        time.sleep(0.1)
curses.wrapper(main)
"""

SCRIPTS = {
    "bash": (
        BASH,
        [
            "ls -l",
            ENTER,
            UP,
            ENTER,
            "cat no",
            TAB,
            ENTER,
            "seq 1 60",
            ENTER,
            "echo Helxx\x7f\x7flo-Proxyd 42",
            ENTER,
            "\x12seq",
            ENTER,
            "echo " + "long-word " * 12 + "end",
            ENTER,
            "printf '\\e]0;my title\\a\\e[31mred\\e[0m\\n'",
            ENTER,
            "echo grüße \u276f 日本",
            ENTER,
            "read answer",
            ENTER,
            "not-a-command",
            ENTER,
            "exit",
            ENTER,
        ],
    ),
    "vim": (
        BASH,
        [
            "vim -N -u NONE -i NONE notes.txt",
            ENTER,
            "G",
            "o",
            "written in vim",
            ESCAPE,
            ":wq",
            ENTER,
            "tail -1 notes.txt",
            ENTER,
            "exit",
            ENTER,
        ],
    ),
    "tmux": (
        ["tmux", "-f", "tmux.conf", "-S", "socket", "new"],
        [
            "echo inside-tmux",
            ENTER,
            "\x02",
            "%",
            "echo right-pane",
            ENTER,
            "\x02",
            ":kill-server",
            ENTER,
        ],
    ),
    "redraw": ([sys.executable, "-c", REDRAWING], []),
}


def main() -> None:
    for name, (command, keys) in SCRIPTS.items():
        with tempfile.TemporaryDirectory() as home:
            prepare(Path(home))
            events = record(command, keys, home)
        lines = [json.dumps({"columns": COLUMNS, "rows": ROWS})]
        lines += [json.dumps(event, ensure_ascii=False) for event in events]
        Path(__file__).with_name(f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def prepare(home: Path) -> None:
    (home / "notes.txt").write_text("first note\nsecond note\n")
    (home / "tmux.conf").write_text(
        'set -g default-command "bash --norc --noprofile -i"\nset -g status-right ""\n'
    )


def start(command: list[str], home: str) -> int:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(home)
        environment = {
            "PATH": "/usr/bin:/bin",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PS1": "ana@web:~$ ",
            "HISTFILE": "/dev/null",
        }
        os.execvpe(command[0], command, environment)  # noqa: S606 - that is the point
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    return terminal


def record(command: list[str], keys: list[str], home: str) -> list[tuple[int, str, str]]:
    terminal = start(command, home)
    started = time.monotonic()
    events: list[tuple[int, str, str]] = []

    def at_ms() -> int:
        return round((time.monotonic() - started) * 1000)

    def read(quiet_s: float) -> bool:
        while select.select([terminal], [], [], quiet_s)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                return False
            events.append((at_ms(), "o", data.decode()))
        return True

    parts = [part for key in keys for part in ([key] if key[0] < " " else key)]
    going = read(0.5)
    while going and parts:
        part = parts.pop(0)
        events.append((at_ms(), "i", part))
        os.write(terminal, part.encode())
        going = read(0.25 if part == ENTER else 0.03)
    while going and not keys:
        going = read(1)
    os.close(terminal)
    return events


if __name__ == "__main__":
    main()
