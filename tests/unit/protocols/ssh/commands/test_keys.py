import pytest

from protocols.ssh.commands.edited import MAX_CHARACTERS
from protocols.ssh.commands.keys import TypedLine


def typed(*keys: bytes) -> TypedLine:
    line = TypedLine()
    for each in keys:
        list(line.feed(each))
    return line


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (b"ls -la", "ls -la"),
        (b"lz\x7fs", "ls"),
        (b"lz\x08s", "ls"),
        (b"\x7f\x7fls", "ls"),
        (b"junk\x15ls", "ls"),
        (b"ls junk\x17x", "ls x"),
        (b"s\x01l", "ls"),
        (b"s\x1b[Hl\x1b[F -l", "ls -l"),
        (b"s\x1bOHl\x05x", "lsx"),
        (b"lxs\x1b[D\x7f", "ls"),
        (b"lxs\x02\x02\x04", "ls"),
        (b"lxs\x1b[D\x1b[D\x1b[3~", "ls"),
        (b"ls x\x1b[D\x1b[D\x0b", "ls"),
        ("größe".encode(), "größe"),
        ("größe".encode() + b"\x7f\x7f", "grö"),
    ],
)
def test_a_line_is_what_an_editor_would_make_of_the_keys(keys: bytes, text: str):
    assert typed(keys).text == text
    assert typed(*(keys[at : at + 1] for at in range(len(keys)))).text == text
    assert typed(keys).plain


@pytest.mark.parametrize(
    "keys",
    [b"\t", b"\x1b[A", b"\x10", b"\x12wipe", b"\x1bb", b"\x16", b"\x1f", b"\x19", b"\x03"],
)
def test_what_only_the_target_knows_is_not_plain(keys: bytes):
    assert not typed(keys).plain


def test_keys_come_back_up_to_each_enter():
    line = TypedLine()
    assert list(line.feed(b"a\rb\nc\x0fd")) == [
        (b"a\r", True),
        (b"b\n", True),
        (b"c\x0f", True),
        (b"d", False),
    ]


def test_an_enter_behind_a_lone_escape_is_one():
    line = TypedLine()
    assert list(line.feed(b"ls\x1b")) == [(b"ls\x1b", False)]
    assert list(line.feed(b"\rpwd")) == [(b"\r", True), (b"pwd", False)]


def test_a_paste_says_so_and_takes_everything_for_text():
    line = TypedLine()
    [(_, entered), _] = list(line.feed(b"\x1b[200~one\x15\rtwo"))
    assert entered
    assert line.pasting
    assert next(line.feed(b"\x1b[201~\r")) == (b"\x1b[201~\r", True)
    assert not line.pasting


def test_a_line_without_end_is_not_kept():
    line = typed(b"x" * (MAX_CHARACTERS + 5))
    assert len(line.text) == MAX_CHARACTERS
    assert not line.plain


@pytest.mark.parametrize(
    "key",
    [
        *(
            b"\x04",
            b"\x0f",
            b"\x1b#",
            b"\x18\x05",
            b"\x18e",
            b"\x1ba",
            b"\x1bz",
            b"\x1bv",
            b"\x1bOM",
        ),
        *(b"\x1b[13u", b"\x1b[13;1:1u", b"\x1b[109;5u", b"\x1b[27;1;13~"),
        b"\x1b[13;28;13;1;0;1_",
    ],
)
def test_a_key_that_may_run_a_line_comes_back_alone(key: bytes):
    for cut in range(1, len(key) + 1):
        line = TypedLine()
        pieces = [*line.feed(b"ls" + key[:cut]), *line.feed(key[cut:])]
        assert [entered for _, entered in pieces].count(True) == 1
        assert b"".join(piece for piece, _ in pieces) == b"ls" + key
        assert not line.ends
        assert line.text == "ls"


@pytest.mark.parametrize("keys", [b"\x1b1#", b"\x1bhv", b"\x1b\x1b[Dv"])
def test_behind_an_escape_letters_may_run_a_line(keys: bytes):
    assert (keys, True) in list(TypedLine().feed(keys))
    assert list(TypedLine().feed(b"v#")) == [(b"v#", False)]


def test_a_letter_of_seven_bits_and_one_more_may_run_a_comment():
    assert next(iter(TypedLine().feed(b"#ls\xb1\xa3"))) == (b"#ls\xb1\xa3", True)
    assert list(TypedLine().feed("ls £ã".encode())) == [("ls £ã".encode(), False)]


@pytest.mark.parametrize(
    ("keys", "other"),
    [
        (b"ls \x01\x0b", "ls "),
        (b"lsz\x7f \x01\x0b", "ls "),
        (b"ls\x15", "ls"),
        (b"ls\x03", "ls"),
        (b"\x1b[200~lz\x7fs", "ls"),
        (b"\x1b[200~xls\x1b[H\x1b[3~", "ls"),
    ],
)
def test_what_a_line_is_to_others_than_a_shells_editor_is_known(keys: bytes, other: str):
    assert other in typed(keys).others


def test_half_a_letter_is_none_of_the_next_line():
    line = typed(b"a\xe2")
    line.begin()
    list(line.feed(b"ls"))
    assert line.text == "ls"
