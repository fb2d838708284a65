import pytest

from protocols.ssh.terminal.commands import (
    COMMANDS,
    Order,
    UsageError,
    completions,
    help_for,
    manual,
    understand,
)
from protocols.ssh.terminal.words import split


def order(line: str) -> Order:
    return understand(split(line))


def test_options_may_stand_before_and_behind():
    wanted = Order("launch", "web01", {"-c": "a reason", "-t": "7"})
    assert order("launch web01 -c 'a reason' -t 7") == wanted
    assert order("launch -comment 'a reason' -ticket 7 web01") == wanted


def test_those_who_are_used_to_naming_an_id_may():
    assert order("launch -s web01").operand == "web01"
    assert order("cat -id web01").operand == "web01"


def test_what_is_searched_for_may_be_several_words():
    assert order("search -fav web server -take 5") == Order(
        "search", "web server", {"-fav": "", "-take": "5"}
    )
    assert order("search '-fav'").operand == "-fav"


@pytest.mark.parametrize(
    "line",
    ["nothing", "launch", "launch a b", "launch web01 -x", "launch web01 -c", "exit now"],
)
def test_a_line_that_makes_no_sense_is_refused(line):
    with pytest.raises(UsageError):
        order(line)


def test_a_number_is_one():
    assert order("search -skip 25").number("-skip", 0) == 25
    assert order("search").number("-skip", 0) == 0
    with pytest.raises(UsageError):
        order("search -skip many").number("-skip", 0)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_its_manual(command):
    assert command.usage in "\n".join(manual(command.name))


def test_names_of_commands_options_and_secrets_are_completed():
    secrets = ["web01", "web02", "db"]
    assert completions("la", secrets) == ["launch"]
    assert completions("launch we", secrets) == ["launch web01", "launch web02"]
    assert completions("search -f", secrets) == [
        "search -f",
        "search -folder",
        "search -fav",
        "search -field",
    ]
    assert completions("man cr", secrets) == ["man credential"]
    assert completions("nothing we", secrets) == []


def test_help_is_about_what_was_typed():
    assert help_for("launch we")[0].startswith("launch:")
    assert all(line.startswith("c") for line in help_for("c"))
    assert help_for("") == manual()
