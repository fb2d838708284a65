import pytest

from recorder.replay.keystrokes import Keystrokes, TypedLine


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("ls -l\r", TypedLine("ls -l", plain=True)),
        ("lx\x7fs\r", TypedLine("ls", plain=True)),
        ("grü\x7f\x7fo\r", TypedLine("go", plain=True)),
        ("\x7f\x7fls\r", TypedLine("ls", plain=True)),
        ("rm -rf /\x15ls\r", TypedLine("ls", plain=True)),
        ("git push now\x17\x17pull\r", TypedLine("git pull", plain=True)),
        ("half\x03ls\r", TypedLine("ls", plain=True)),
        ("\x1b[A\r", TypedLine("", plain=False)),
        ("ls\x1b[D\x1bOC\r", TypedLine("ls", plain=False)),
        ("cat no\t\r", TypedLine("cat no", plain=False)),
        ("\x1b[200~pasted text\x1b[201~\r", TypedLine("pasted text", plain=True)),
        ("\r", TypedLine("", plain=True)),
        ("unix\n", TypedLine("unix", plain=True)),
    ],
)
def test_a_line_is_what_its_keys_made(keys: str, line: TypedLine):
    assert Keystrokes().feed(keys) == [line]
    typing = Keystrokes()
    assert [done for key in keys for done in typing.feed(key)] == [line]


def test_several_lines_come_apart():
    assert [line.text for line in Keystrokes().feed("a\rb\r\nc\nd")] == ["a", "b", "c"]


def test_a_line_in_the_making_is_bounded():
    typing = Keystrokes()
    typing.feed("x" * 100_000)
    assert len(typing.finish().text) == 4096


def test_an_unfinished_key_waits():
    typing = Keystrokes()
    assert typing.is_empty
    typing.feed("\x1b[")
    assert not typing.is_empty
    typing.feed("A")
    assert typing.finish() == TypedLine("", plain=False)
