"""Whatever bytes pass, a ledger says the same however they are cut, and never raises."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from protocols.ssh.files import Ledger, ledger_for
from recorder.events import FileTouched

ORDERS = [
    ("subsystem", b"sftp"),
    ("exec", b"scp -t /srv"),
    ("exec", b"scp -r -d -t /srv"),
    ("exec", b"scp -f /srv/a"),
]


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Something like an SFTP message: small numbers, so that requests and answers meet."""
    kind = draw(
        st.sampled_from([2, 3, 4, 5, 6, 9, 10, 11, 13, 18, 20, 101, 102, 103, 104, 200])
    )
    ident = struct.pack(">I", draw(st.integers(0, 3)))
    fields = st.one_of(
        st.sampled_from(
            [string(b"h"), string(b"/a"), bytes(8), struct.pack(">I", 1), bytes(4)]
        ),
        st.binary(max_size=12).map(string),
    )
    return string(bytes([kind]) + ident + b"".join(draw(st.lists(fields, max_size=5))))


scp_words = st.sampled_from(
    [
        b"\0",
        b"C0644 3 a\n",
        b"abc",
        b"\0",
        b"D0755 0 d\n",
        b"E\n",
        b"T1 0 1 0\n",
        b"\1no\n",
        b"\2",
    ]
)
turns = st.lists(
    st.tuples(st.booleans(), st.one_of(messages(), scp_words, st.binary(max_size=20))),
    max_size=40,
)


def feed(ledger: Ledger, *, client: bool, data: bytes) -> list[FileTouched]:
    return (ledger.client if client else ledger.target)(1, data)


@given(st.sampled_from(ORDERS), turns, st.randoms(use_true_random=False))
def test_any_fragmentation_gives_the_same_ledger(order, turns, random):
    whole, cut = ledger_for(*order), ledger_for(*order)
    assert whole is not None
    assert cut is not None
    told_whole, told_cut = [], []
    for client, data in turns:
        told_whole += feed(whole, client=client, data=data)
        start = 0
        while start < len(data):
            end = random.randint(start + 1, len(data))
            told_cut += feed(cut, client=client, data=memoryview(data)[start:end])
            start = end
    assert told_cut + cut.close(2) == told_whole + whole.close(2)


@given(st.sampled_from(ORDERS), turns)
def test_giving_up_is_told_once_and_closing_says_all_there_is(order, turns):
    ledger = ledger_for(*order)
    assert ledger is not None
    told = [each for client, data in turns for each in feed(ledger, client=client, data=data)]
    told += ledger.close(2)
    assert sum(each.operation == "unreadable" for each in told) <= 1
    assert ledger.close(3) == []
