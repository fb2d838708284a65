import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.command_rules import MenuEntry
from bus.menu import MenuError, check, command, find, parameters

SAY = MenuEntry(name="say", command="echo $what to $whom in $$HOME, $what")


def test_parameters_are_named_once_and_dollars_are_left():
    assert parameters(SAY) == ["what", "whom"]
    assert command(SAY, ["hi", "me"]) == "echo hi to me in $HOME, hi"


@pytest.mark.parametrize(
    "values", [[], ["a"], ["a", "b", "c"], ["-n", "b"], ["a b", "c"], ["", "b"]]
)
def test_what_does_not_fit_is_refused(values: list[str]):
    with pytest.raises(MenuError):
        command(SAY, values)


@given(st.text(max_size=30))
def test_a_value_is_one_word_or_refused(value: str):
    entry = MenuEntry(name="say", command="echo $what")
    try:
        run = command(entry, [value])
    except MenuError:
        return
    assert shlex.split(run) == ["echo", value]
    assert not set(value) & set("$`\"'\\;&|<>(){}*?[]~#! \n\r\t")


def test_an_entry_is_found_by_name_and_number():
    menu = [SAY, MenuEntry(name="who", command="id")]
    assert find(menu, "who") == find(menu, "2") == menu[1]
    for word in ("0", "3", "", "sa"):
        with pytest.raises(MenuError):
            find(menu, word)


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "echo '$what'",
        'echo "$what"',
        "echo `ls $what`",
        "echo $",
        "echo 'x",
        "a\nb",
        "x" * 1001,
    ],
)
def test_what_is_no_command_is_no_entry(text: str):
    with pytest.raises(MenuError):
        check(MenuEntry(name="x", command=text))


@pytest.mark.parametrize("text", ["id", "echo $a $b", 'echo "$$HOME" $a', "echo '5 $$'"])
def test_what_is_a_command_is_an_entry(text: str):
    check(MenuEntry(name="x", command=text))
