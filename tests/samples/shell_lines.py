"""Three hundred lines as people enter them at a shell: keys, and what bash then runs.

Each line has a word of its own, so that none is taken for another. `history` numbers them as
bash does with `cmdhist` off: a line that goes on is as many lines as it has rows.
"""

import re
from typing import NamedTuple

UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
HOME, END, DELETE = "\x1b[H", "\x1b[F", "\x1b[3~"
PROMPT_KINDS = frozenset({"plain", "editing", "recall", "completion", "non-ascii", "paste"})
"""What is typed at a plain prompt."""
KEY = re.compile(r"\x1b\[[0-9]*[A-Z~]|[^\x00-\x1f\x7f]+|[\x00-\x1f\x7f]")
"""A key, or text that is typed without a pause."""
_TURNS = 11
COMPLETED = "kiwi-of-the-day"
"""A file in the folder of the shell."""


class Entered(NamedTuple):
    """One Enter, or the several of one paste."""

    kind: str
    keys: str
    runs: tuple[str, ...]
    prompts: int = 1
    """That follow."""


_PLAIN = (
    "echo {w}",
    "echo '{w} in quotes' \"and $HOME\"",
    "printf '%s\\n' {w} | tr a-z A-Z",
    "true {w} && false || echo no",
    "for i in 1 2; do echo {w} $i; done",
    "echo {w} > /dev/null 2>&1",
    "ls -d / # {w}",
    "x={w}; echo ${{x#w}} $((40 + 2))",
    "test -n '{w}' ; [ {w} = y ]",
    "echo {w} | sed -e 's/w/v/;s/x/y/' | sort -u",
    "(cd / && echo {w})",
    "echo {w} \\; \\| \\& '$x' \"`true`\"",
    "echo {w} a-long-argument-that-goes-on-and-on-beyond-the-width-of-the-terminal-it-is-in",
)
_EDITED = (
    ("ecxho {w}" + LEFT * 7 + "\x7f", "echo {w}"),
    ("junk and junk\x15echo {w}", "echo {w}"),
    ("echo {w} one two\x17\x17three", "echo {w} three"),
    ("cho {w}\x01e", "echo {w}"),
    ("cho {w}" + HOME + "e" + END + " end", "echo {w} end"),
    ("echoo {w}" + LEFT * 6 + DELETE, "echo {w}"),
    ("echo {w} zzz" + LEFT * 3 + "\x0b", "echo {w}"),
    ("echo {w}xy\x7f\x7f", "echo {w}"),
    ("ech {w}" + LEFT * 5 + "o", "echo {w}"),
    ("echo {w} b\x1bba \x05!", "echo {w} a b!"),
)
_FOREIGN = ("grüße", "naïve", "文字列", "привет", "ελληνικά", "déjà vu", "mañana", "€ 5")


def corpus() -> list[Entered]:
    """The lines, in order: each recall is of what came before."""
    lines: list[Entered] = []
    numbers = iter(range(1, 1000))

    def word() -> str:
        return f"w{next(numbers):03}"

    def add(kind: str, keys: str, *runs: str, prompts: int = 1) -> None:
        lines.append(Entered(kind, keys + "\r", runs, prompts))

    for turn in range(_TURNS):
        for pattern in _PLAIN:
            line = pattern.format(w=word())
            add("plain", line, line)
        for step in (0, 3, 6):
            keys, run = _EDITED[(turn + step) % len(_EDITED)]
            w = word()
            add("editing", keys.replace("{w}", w), run.replace("{w}", w))
        foreign = f"echo {word()} {_FOREIGN[turn % len(_FOREIGN)]}"
        add("non-ascii", foreign, foreign)
        add("recall", UP, foreign)
        first = word()
        add("plain", f"echo {first} first", f"echo {first} first")
        add("recall", f"{UP}{UP} again", f"{foreign} again")
        add("recall", f"\x12{first}\x05 found", f"echo {first} first found")
        commented = word()
        add("completion", f"cat kiw\t# {commented}", f"cat {COMPLETED} # {commented}")
        first, second = word(), word()
        add("multi-line", f"echo {first} \\\r{second}", f"echo {first} \\", second)
        pasted = [f"echo {word()} pasted" for _ in range(3)]
        add("paste", "\r".join(pasted), *pasted, prompts=3)
    body = f"text {word()}"
    add("here-document", f"cat << END\r{body}\rEND", "cat << END", body, "END")
    return lines
