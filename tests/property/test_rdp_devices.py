"""However files cross a redirected drive, they are told as they were, and cross unchanged."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st
from samples.devices import (
    WRITE_DATA,
    Conversation,
    close,
    conversation,
    create,
    done,
    opened,
    read,
    was_read,
    write,
)

PARTS = st.lists(st.binary(min_size=1, max_size=300), max_size=6)


def crossed(talk: Conversation) -> list[tuple[str, int, bytes, str]]:
    return [(one.operation, one.size_bytes, one.sha256, one.outcome) for one in talk.files]


@settings(max_examples=60, deadline=None)
@given(PARTS, PARTS, st.integers(1, 1600))
def test_contents_cross_unchanged_and_are_told_with_their_digest(
    taken: list[bytes], put: list[bytes], piece_bytes: int
) -> None:
    talk = conversation(piece_bytes=piece_bytes)
    to_client = [create("\\a", access=WRITE_DATA)]
    to_target = [opened()]
    offset = 0
    for part in taken:
        to_client.append(read(len(part), offset))
        to_target.append(was_read(part))
        offset += len(part)
    offset = 0
    for part in put:
        to_client.append(write(part, offset))
        to_target.append(done(2, len(part)))
        offset += len(part)
    to_client.append(close())
    to_target.append(done(9))
    for asked, answer in zip(to_client, to_target, strict=True):
        talk.target(asked).client(answer)
    assert (talk.to_client, talk.to_target) == (to_client, to_target)
    told = [("upload", taken), ("download", put)]
    assert crossed(talk) == [
        (operation, sum(map(len, parts)), hashlib.sha256(b"".join(parts)).digest(), "ok")
        for operation, parts in told
        if parts
    ]
