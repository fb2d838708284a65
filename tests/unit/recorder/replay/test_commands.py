from recorder.replay.commands import Commands
from recorder.replay.keystrokes import TypedLine

PROMPT = "ana@web:~$ "


def plain(text: str) -> TypedLine:
    return TypedLine(text, plain=True)


def test_a_command_is_certain_once_its_row_is_shown():
    commands = Commands()
    commands.begin(PROMPT)
    assert commands.enter(5, plain("ls")) == []
    assert commands.row_done(PROMPT + "ls") == [(5, "ls")]
    assert commands.row_done("file") == []


def test_the_row_says_what_history_made_of_the_keys():
    commands = Commands()
    commands.begin(PROMPT)
    commands.enter(5, TypedLine("", plain=False))
    assert commands.row_done(PROMPT + "make test") == [(5, "make test")]


def test_an_answer_to_a_program_is_no_command():
    commands = Commands()
    commands.begin("")
    commands.enter(5, plain("yes"))
    assert commands.row_done("yes") == []
    assert commands.finish() == []


def test_an_empty_line_is_no_command():
    commands = Commands()
    commands.begin(PROMPT)
    commands.enter(5, plain(""))
    assert commands.row_done(PROMPT.strip()) == []


def test_keys_that_are_recorded_after_their_echo_are_found():
    commands = Commands()
    commands.row_done(PROMPT + "whoami")
    assert commands.enter(5, plain("whoami")) == [(5, "whoami")]


def test_a_command_whose_row_never_comes_is_told_at_the_end():
    commands = Commands()
    commands.begin(PROMPT)
    commands.enter(5, plain("reboot"))
    assert commands.finish() == [(5, "reboot")]


def test_a_row_is_not_waited_for_forever():
    commands = Commands()
    commands.begin(PROMPT)
    commands.enter(5, plain("clear"))
    told = [each for _ in range(40) for each in commands.row_done("something else")]
    assert told == [(5, "clear")]


def test_lines_typed_ahead_keep_their_order():
    commands = Commands()
    commands.begin(PROMPT)
    commands.enter(1, plain("first"))
    commands.enter(2, plain("second"))
    rows = [PROMPT + "first", "out", PROMPT + "second"]
    assert [each for row in rows for each in commands.row_done(row)] == [
        (1, "first"),
        (2, "second"),
    ]


def test_a_shell_that_tells_its_commands_is_believed():
    commands = Commands(is_marked=True)
    commands.begin(PROMPT)
    assert commands.enter(5, plain("ls")) == []
    assert commands.row_done(PROMPT + "ls") == []


def test_a_marked_prompt_is_where_the_line_begins():
    commands = Commands()
    commands.prompted("odd> ")
    commands.begin("odd> already recalled")
    commands.enter(5, TypedLine("", plain=False))
    assert commands.row_done("odd> already recalled") == [(5, "already recalled")]


def test_a_line_whose_row_never_comes_holds_up_no_other():
    commands = Commands()
    for at_ms, text in ((1, "lost"), (2, "ls"), (3, "pwd")):
        commands.begin("$ ")
        assert commands.enter(at_ms, TypedLine(text, plain=True)) == []
    assert commands.row_done("$ ls") == [(1, "lost"), (2, "ls")]
    assert commands.row_done("$ pwd") == [(3, "pwd")]
