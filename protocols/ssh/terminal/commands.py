"""What can be typed at the terminal: names, options, and what `man` says of them. Sans-io."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from protocols.ssh.terminal.words import Word


class UsageError(Exception):
    """A line that makes no sense. The message is for whoever typed it."""


class Option(Struct, frozen=True):
    """An option of a command."""

    names: tuple[str, ...]
    value: str
    """What its value is called; empty where it has none."""
    meaning: str


class Command(Struct, frozen=True):
    """A command."""

    name: str
    operand: str
    """What it is about, as usage shows it."""
    summary: str
    options: tuple[Option, ...] = ()
    about: str = ""

    @property
    def usage(self) -> str:
        """How it is written."""
        options = " ".join(
            f"[{each.names[0]}{f' {each.value}' if each.value else ''}]"
            for each in self.options
        )
        return " ".join(filter(None, (self.name, self.operand, options)))


_REASONS: Final = (
    Option(("-c", "-comment"), "TEXT", "say why, where the secret demands it"),
    Option(("-t", "-ticket"), "NUMBER", "name a ticket, where the secret demands it"),
)
COMMANDS: Final = (
    Command("man", "[COMMAND]", "say what a command does", about="`?` does so while you type."),
    Command(
        "search",
        "[TEXT]",
        "list the secrets that you may use",
        (
            Option(("-f", "-folder"), "PREFIX", "whose name begins so"),
            Option(("-fav",), "", "your favourites"),
            Option(("-r", "-recent"), "", "those you used last, the latest first"),
            Option(("-s", "-site"), "SITE", "of this site"),
            Option(
                ("-sf", "-field"), "FIELD", "look in this alone: name, host, username, site"
            ),
            Option(("-skip",), "N", "leave out the first N"),
            Option(("-take",), "N", "list N of them, instead of 25"),
            Option(("-t", "-type"), "PROTOCOL", "ssh or rdp"),
        ),
        "TEXT is looked for anywhere in name, host, user name and site.",
    ),
    Command(
        "cat",
        "SECRET",
        "show a secret, and how it can be launched",
        about="Its password is never shown: whoever launches it does not need it.",
    ),
    Command(
        "launch",
        "SECRET",
        "open a session with a secret's target",
        (Option(("-m", "-machine"), "HOST", "the machine, where there are several"), *_REASONS),
        "It is recorded. Leave the target, and you are back here.",
    ),
    Command("who", "[SECRET]", "show who else is at a target now"),
    Command(
        "credential",
        "SECRET",
        "make a pair that another client can log on with, once",
        about="For WinSCP, a desktop, or whatever has no use for a terminal.",
    ),
    Command("passwd", "", "change your password"),
    Command("exit", "", "leave"),
)
_BY_NAME: Final = {command.name: command for command in COMMANDS}
_SECRET_OPTIONS: Final = ("-s", "-id", "-secret-id")
"""Before a secret's name, for those who are used to it."""


class Order(Struct, frozen=True):
    """A line that was understood."""

    command: str
    operand: str = ""
    options: dict[str, str] = {}
    """By the first name of each; those without a value are empty."""

    def number(self, name: str, default: int) -> int:
        """Return an option's value as a number; raise `UsageError`."""
        text = self.options.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 8):  # noqa: PLR2004
            raise UsageError(f"{name} wants a number, not `{text}`")
        return int(text)


def understand(words: Sequence[Word]) -> Order:
    """Return what a line asks for; raise `UsageError`."""
    name, given = words[0].text, list(words[1:])
    command = _BY_NAME.get(name)
    if command is None:
        raise UsageError(f"there is no command `{name}`; `man` lists those there are")
    known = {each: option for option in command.options for each in option.names}
    operands: list[str] = []
    options: dict[str, str] = {}
    while given:
        word = given.pop(0)
        if not word.bare or not word.text.startswith("-") or word.text == "-":
            operands.append(word.text)
        elif option := known.get(word.text):
            if option.value and not given:
                raise UsageError(f"{word.text} wants {option.value}; {_usage(command)}")
            options[option.names[0]] = given.pop(0).text if option.value else ""
        elif word.text not in _SECRET_OPTIONS or command.operand != "SECRET":
            raise UsageError(f"{name} has no option {word.text}; {_usage(command)}")
    return Order(name, _operand(command, operands), options)


def _operand(command: Command, operands: list[str]) -> str:
    if command.name == "search":
        return " ".join(operands)
    wanted = command.operand and not command.operand.startswith("[")
    if len(operands) > 1 or (operands and not command.operand) or (wanted and not operands):
        raise UsageError(_usage(command))
    return operands[0] if operands else ""


def _usage(command: Command) -> str:
    return f"usage: {command.usage}"


def manual(name: str = "") -> list[str]:
    """Return the lines that tell of a command, or of all; raise `UsageError`."""
    if not name:
        width = max(len(each.name) for each in COMMANDS)
        return [f"{each.name:{width}}  {each.summary}" for each in COMMANDS]
    command = _BY_NAME.get(name)
    if command is None:
        raise UsageError(f"there is no command `{name}`; `man` lists those there are")
    names = [", ".join(each.names) + f" {each.value}" for each in command.options]
    width = max(map(len, names), default=0)
    return [
        f"{command.name}: {command.summary}",
        f"usage: {command.usage}",
        *(
            f"  {each:{width}}  {option.meaning}"
            for each, option in zip(names, command.options, strict=True)
        ),
        *([command.about] if command.about else []),
    ]


def completions(left: str, secrets: Sequence[str]) -> list[str]:
    """Return what the text left of the cursor may become; `secrets` are names it may hold."""
    before, _, word = left.rpartition(" ")
    if not before.strip():
        return [left[: -len(word) or None] + name for name in _BY_NAME if name.startswith(word)]
    command = _BY_NAME.get(before.split()[0])
    if command is None:
        return []
    if word.startswith("-"):
        pool: list[str] = [name for option in command.options for name in option.names]
    elif command.name == "man":
        pool = list(_BY_NAME)
    elif "SECRET" in command.operand:
        pool = list(secrets)
    else:
        pool = []
    return [f"{before} {each}" for each in pool if each.startswith(word)]


def help_for(left: str) -> list[str]:
    """Return what a `?` shows, behind what was typed so far."""
    words = left.split()
    if not words:
        return manual()
    if words[0] in _BY_NAME:
        return manual(words[0])
    fitting = [name for name in _BY_NAME if name.startswith(words[0])]
    return [line for line in manual() if line.split()[0] in fitting] or manual()
