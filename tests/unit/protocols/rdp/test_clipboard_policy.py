import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.clipboard_policy import ClipboardPolicy, ClipboardTerms, May
from protocols.rdp.wire.virtual_channel import pieces

FIRST_AND_LAST = b"\x13\0\0\0"
TEXT, IMAGE, HTML = 13, 8, 0xC0B0
OUT_ONLY = ClipboardTerms(to_target=May.NOTHING, to_client=May.TEXT)
ALL = ClipboardTerms(to_target=May.ALL_BUT_FILES, to_client=May.ALL_BUT_FILES)


def message(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "little") + b"\0\0" + len(body).to_bytes(4, "little") + body


def piece(kind: int, body: bytes = b"") -> bytes:
    [whole] = pieces(message(kind, body))
    return whole


def capabilities(flags: int) -> bytes:
    general = b"\x01\0\x0c\0" + b"\x02\0\0\0" + flags.to_bytes(4, "little")
    return piece(7, b"\x01\0\0\0" + general)


def named(*formats: tuple[int, str]) -> bytes:
    return b"".join(
        number.to_bytes(4, "little") + (name + "\0").encode("utf-16-le")
        for number, name in formats
    )


def request(number: int) -> bytes:
    return piece(4, number.to_bytes(4, "little"))


def negotiated(terms: ClipboardTerms) -> ClipboardPolicy:
    """A clipboard both of whose sides use long names."""
    policy = ClipboardPolicy(terms)
    policy.take(capabilities(0x02), from_client=False)
    policy.take(capabilities(0x02), from_client=True)
    return policy


@pytest.fixture
def policy() -> ClipboardPolicy:
    return negotiated(ClipboardTerms())


def test_neither_side_hears_that_the_other_takes_files(policy: ClipboardPolicy) -> None:
    assert policy.take(capabilities(0x3E), from_client=True) == [capabilities(0x02)]


@pytest.mark.parametrize("kind", [8, 9])
def test_no_piece_of_a_file_crosses_whatever_the_secret_says(kind: int) -> None:
    policy = negotiated(ALL)
    assert policy.take(piece(kind, bytes(28)), from_client=True) == []
    assert policy.refused == "a file's contents"


@pytest.mark.parametrize("from_client", [True, False])
def test_the_other_side_hears_of_text_alone(
    policy: ClipboardPolicy, *, from_client: bool
) -> None:
    offered = piece(2, named((HTML, "HTML Format"), (TEXT, ""), (IMAGE, ""), (1, "")))
    told = piece(2, named((TEXT, ""), (1, "")))
    assert policy.take(offered, from_client=from_client) == [told]
    towards = "to the target" if from_client else "to the client"
    assert policy.refused == f"a format that is not text, {towards}"


def test_short_names_are_read_where_one_side_has_no_long_ones() -> None:
    policy = ClipboardPolicy(ClipboardTerms())
    policy.take(capabilities(0x02), from_client=False)
    short = [number.to_bytes(4, "little") + bytes(32) for number in (IMAGE, TEXT)]
    assert policy.take(piece(2, b"".join(short)), from_client=True) == [piece(2, short[1])]


def test_a_long_list_is_read_over_its_pieces(policy: ClipboardPolicy) -> None:
    formats = [(0xC000 + number, "x" * 40) for number in range(100)] + [(TEXT, "")]
    *first, last = pieces(message(2, named(*formats)))
    assert [policy.take(one, from_client=True) for one in first] == [[]] * len(first)
    assert policy.take(last, from_client=True) == [piece(2, named((TEXT, "")))]


def test_a_list_without_an_end_is_an_error(policy: ClipboardPolicy) -> None:
    first, middle, *_ = pieces(message(2, bytes(100_000)))
    policy.take(first, from_client=True)
    for _ in range(39):
        policy.take(middle, from_client=True)
    with pytest.raises(RemoteProtocolError, match="without an end"):
        policy.take(middle, from_client=True)


def test_who_asks_for_what_was_not_offered_is_not_heard(policy: ClipboardPolicy) -> None:
    assert policy.take(request(TEXT), from_client=True) == [request(TEXT)]
    assert policy.take(request(IMAGE), from_client=True) == []
    assert policy.refused == "a format that is not text, to the client"


def test_in_a_direction_that_is_closed_nothing_crosses() -> None:
    policy = negotiated(OUT_ONLY)
    assert policy.take(piece(2, named((TEXT, ""))), from_client=True) == [piece(2)]
    assert policy.take(request(TEXT), from_client=False) == []
    *first, last = pieces(message(5, bytes(4000)))
    assert [policy.take(one, from_client=True) for one in [*first, last]] == [[], [], []]
    assert policy.take(request(TEXT), from_client=True) == [request(TEXT)]
    assert policy.take(piece(5, b"text"), from_client=False) == [piece(5, b"text")]


def test_where_the_secret_says_so_every_format_crosses() -> None:
    policy = negotiated(ALL)
    offered = piece(2, named((HTML, "HTML Format"), (IMAGE, "")))
    assert policy.take(offered, from_client=False) == [offered]
    assert policy.take(request(IMAGE), from_client=True) == [request(IMAGE)]
    assert policy.refused is None


def test_what_nobody_asked_for_goes_nowhere(policy: ClipboardPolicy) -> None:
    assert policy.take(piece(5, b"text"), from_client=False) == []
    assert policy.refused == "what nobody asked for, to the client"
    policy.take(request(TEXT), from_client=True)
    assert policy.take(piece(5, b"text"), from_client=False) == [piece(5, b"text")]
    assert policy.take(piece(5, b"more"), from_client=False) == []


def test_a_long_text_crosses_as_it_came(policy: ClipboardPolicy) -> None:
    policy.take(request(TEXT), from_client=True)
    for one in pieces(message(5, bytes(5000))):
        assert policy.take(one, from_client=False) == [one]


def test_nothing_slips_through_behind_a_text_that_may_cross(policy: ClipboardPolicy) -> None:
    """Whoever receives it could take it for a message of its own: a piece of a file."""
    policy.take(request(TEXT), from_client=True)
    policy.take(piece(5, b"text"), from_client=False)
    contents = message(9, b"\x01\0\0\0a piece of a file")
    header = len(contents).to_bytes(4, "little") + b"\x12\0\0\0"
    with pytest.raises(RemoteProtocolError, match="not in its place"):
        policy.take(header + contents, from_client=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        b"\x01\0\0\0" + FIRST_AND_LAST + b"\x02",
        b"\x08\0\0\0" + FIRST_AND_LAST + b"\x02\0\0\0\xff\0\0\0",
        piece(2, b"\x0d\0\0\0a"),
        piece(4, b"\x0d"),
    ],
)
def test_what_makes_no_sense_is_an_error(policy: ClipboardPolicy, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        policy.take(data, from_client=True)
