import pytest

from protocols.ssh.commands.row import Row


def shown(*data: bytes, columns: int = 20) -> Row:
    row = Row(columns)
    for each in data:
        row.feed(each)
    return row


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\r\n$ ls", "$ ls"),
        (b"$ lz\b\x1b[Ks", "$ ls"),
        (b"$ lz\b \bs", "$ ls"),
        (b"$ ls\r$ pwd\x1b[K", "$ pwd"),
        (b"$ abc\x1b[3D\x1b[1PX", "$ Xc"),
        (b"$ abc\x1b[3D\x1b[2@XY", "$ XYabc"),
        (b"\x1b[32m$\x1b[m ls\x07", "$ ls"),
        (b"\x1b]0;title\x07$ ls", "$ ls"),
        (b"$ a\tb", "$ a     b"),
        (b"junk\x1b[5;3Hls", "  ls"),
        ("$ größe 文字".encode(), "$ größe 文字"),
        ("$ 文字".encode() + b"\b\b\x1b[K", "$ 文"),
        (b"$ ls\x1b[2K\r> ", ">"),
        (b"$ ls\x1b[1G\x1b[Jx", "x"),
    ],
)
def test_the_line_is_what_a_terminal_would_show(data: bytes, text: str):
    assert shown(data).text == text
    assert shown(*(data[at : at + 1] for at in range(len(data)))).text == text


def test_a_line_that_is_longer_than_the_terminal_is_one():
    row = shown(b"$ 123456789012345678", b" \r90", columns=20)
    assert row.text == "$ 12345678901234567890"
    row.feed(b"\r\x1b[A\x1b[10C_")
    assert row.text == "$ 12345678_01234567890"
    row.feed(b"\r\x1b[Bx")
    assert row.text == "$ 12345678_012345678x0"


def test_another_line_begins_with_a_newline_and_on_the_other_screen():
    assert shown(b"$ ls\r\n").text == ""
    row = shown(b"$ vi\x1b[?1049h~")
    assert (row.text, row.alternate) == ("~", True)
    row.feed(b"\x1b[?1049l$ ")
    assert (row.text, row.alternate) == ("$", False)


def test_a_large_burst_is_looked_at_from_its_last_line_on():
    row = shown(b"x" * 5000 + b"\x1b[?1049h" + b"y\n" * 3000 + b"$ ls")
    assert (row.text, row.alternate) == ("$ ls", True)
