from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, Signers, chunk

from recorder.clock import ManualClock
from recorder.events import TargetData
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.search import Hit, Search
from storage.tables import LineRow
from storage.writer import Writer

OTHER = UUID(int=8)
LINES = [
    (SESSION, 900, "output", 'in-42 and "quoted" 100% O\'Hara'),
    (SESSION, 100, "command", "cat /etc/Passwd"),
    (SESSION, 200, "output", "Hello-Proxyd 42 from 10.0.0.17"),
    (OTHER, 300, "output", "GRÜSSE from hello-proxyd 42"),
    (OTHER, 400, "file", "download /srv/a_b.txt"),
]


@pytest.fixture
def search(database: Database) -> Search:
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
    for number in (SESSION, OTHER):
        writer.store(
            chunk([TargetData(at_ms=0, channel=0, data=b"x")], session_id=number, sequence=1)
        )
    with database.transaction() as session:
        for session_id, at_ms, kind, text in LINES:
            session.add(
                LineRow(
                    session_id=session_id,
                    sequence=1,
                    at_ms=at_ms,
                    kind=kind,
                    channel=0,
                    text=text,
                )
            )
            session.flush()
    return Search(database)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("in-42", [900]),
        ("hello-proxyd 42", [300, 200]),
        ("10.0.0.17", [200]),
        ("/etc/passwd", [100]),
        ('"quoted"', [900]),
        ("100%", [900]),
        ("o'hara", [900]),
        ("grüsse", [300]),
        ("a_b", [400]),
        ("a%b", []),
        ("42", [300, 200, 900]),
        ("%", [900]),
        ("_", [400]),
        ("AND", [900]),
        ("nothing like it", []),
        ("text:hello", []),
        ("hel*", []),
        ("\0", []),
        ("caf\udce9", []),
    ],
)
def test_any_substring_is_found_and_nothing_is_syntax(
    search: Search, text: str, times: list[int]
):
    assert [hit.at_ms for hit in search.search(text)] == times


def test_kinds_narrow_the_search(search: Search):
    assert [hit.kind for hit in search.search("/", ("command", "file"))] == ["file", "command"]
    assert search.search("/", ("title",)) == []


def test_the_limit_keeps_what_was_indexed_last(search: Search):
    assert [hit.session for hit in search.search("42", limit=1)] == [OTHER]


def test_a_hit_says_where_it_is(search: Search):
    assert search.search("passwd") == [
        Hit(session=SESSION, at_ms=100, kind="command", text="cat /etc/Passwd", channel=0)
    ]


def test_a_removed_line_is_not_found(search: Search, database: Database):
    with database.transaction() as session:
        for row in session.query(LineRow).filter(LineRow.session_id == OTHER):
            session.delete(row)
    assert [hit.at_ms for hit in search.search("hello-proxyd")] == [200]


def test_the_lines_of_a_session_come_in_order_of_time(search: Search):
    assert [hit.at_ms for hit in search.lines(SESSION, ("output",))] == [200, 900]
    assert [hit.at_ms for hit in search.lines(SESSION, ("output", "command"), "", 2)] == [
        100,
        200,
    ]
    assert [hit.text for hit in search.lines(OTHER, ("file", "command"))] == [
        "download /srv/a_b.txt"
    ]


@pytest.mark.parametrize(
    ("text", "times"), [("PROXYD", [200]), ("%", [900]), ("\0", [200, 900])]
)
def test_lines_of_a_session_are_found_by_any_substring(
    search: Search, text: str, times: list[int]
):
    assert [hit.at_ms for hit in search.lines(SESSION, ("output",), text)] == times
