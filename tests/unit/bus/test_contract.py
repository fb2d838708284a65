import typing

from bus.contract import Command, CommandResult, Reply, Request


def test_each_message_has_a_name_of_its_own():
    messages = [
        *typing.get_args(Request),
        *typing.get_args(Reply),
        *typing.get_args(Command),
        CommandResult,
    ]
    names = [message.__struct_config__.tag for message in messages]
    assert len(set(names)) == len(names)


def test_a_message_cannot_be_changed_once_made():
    for message in (*typing.get_args(Request), *typing.get_args(Reply)):
        assert message.__struct_config__.frozen
