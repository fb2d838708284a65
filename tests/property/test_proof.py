"""Whatever is done to a recording is found; whatever a log grows by, it proves."""

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.chunks import DATA_KEY, INFO, SESSION, SIGNER, STARTED, Signers, readable

from recorder.chunk import Chunk, SealReason, frame
from recorder.chunker import Chunker
from recorder.events import (
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    encode_burst,
)
from recorder.merkle import Tree, inclusion_path, leaf_hash, root_by_path, root_of
from recorder.replay.verify import Facts, Kept, verify


def recording(count: int) -> list[Chunk]:
    """A whole session of `count` chunks, as an engine seals it."""
    chunker, chunks = Chunker(SESSION, DATA_KEY, SIGNER), []
    for number in range(count):
        last = number == count - 1
        burst: list[KnownEvent] = [
            SessionStarted(at_ms=0, info=INFO)
            if number == 0
            else TargetData(at_ms=number, channel=0, data=b"%d" % number * 9),
            ClientData(at_ms=number, channel=0, data=b"ls\r"),
        ]
        if last:
            burst.append(SessionEnded(at_ms=number, reason=EndReason.CLIENT_LEFT))
        sealed = chunker.seal(
            frame(encode_burst(burst)),
            SealReason.SIZE,
            first_at=STARTED,
            end_reason=EndReason.CLIENT_LEFT if last else None,
        )
        chunker.follow(sealed)
        chunks.append(readable(sealed))
    return chunks


CHUNKS = recording(6)
FACTS = Facts(session_id=SESSION, signers=Signers(), chunks=6, last_digest=CHUNKS[-1].digest)


def kept(chunks: Sequence[Chunk]) -> list[Kept]:
    return [
        Kept(
            sequence=one.header.sequence,
            digest=one.digest,
            encoded=one.encoded,
            data_key=one.data_key,
        )
        for one in chunks
    ]


def is_sound(stored: Sequence[Kept], facts: Facts = FACTS) -> bool:
    return not list(verify(stored, facts))


def test_what_was_not_touched_is_sound():
    assert is_sound(kept(CHUNKS))


@settings(deadline=None)
@given(st.integers(0, 5), st.data())
def test_any_flipped_bit_is_found_even_where_the_stores_digest_was_made_to_fit(number, data):
    stored = kept(CHUNKS)
    altered = bytearray(stored[number].encoded)
    bit = data.draw(st.integers(0, 8 * len(altered) - 1))
    altered[bit // 8] ^= 1 << bit % 8
    fitting = Chunk(
        header=CHUNKS[number].header, pieces=(bytes(altered),), payload_offset=0
    ).digest
    stored[number] = msgspec.structs.replace(
        stored[number], encoded=bytes(altered), digest=fitting
    )
    assert not is_sound(stored)


@settings(deadline=None)
@given(st.sets(st.integers(0, 5), min_size=1))
def test_any_missing_chunks_are_found(missing):
    left = [one for one in kept(CHUNKS) if one.sequence not in missing]
    assert not is_sound(left)
    assert not is_sound(left, msgspec.structs.replace(FACTS, chunks=0))


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_any_other_order_is_found(order):
    stored = kept(CHUNKS)
    reordered = [stored[place] for place in order]
    assert is_sound(reordered) == (order == sorted(order))
    renumbered = [
        msgspec.structs.replace(one, sequence=place) for place, one in enumerate(reordered)
    ]
    assert is_sound(renumbered) == (order == sorted(order))


OTHERS = recording(6)


@settings(deadline=None)
@given(st.sets(st.integers(0, 5), min_size=1))
def test_chunks_of_another_sealing_are_found_though_the_engine_signed_them(replaced):
    mixed = [(OTHERS if number in replaced else CHUNKS)[number] for number in range(6)]
    assert not is_sound(kept(mixed))


@settings(deadline=None)
@given(st.integers(1, 5))
def test_an_end_that_was_rolled_back_is_found_by_the_log_alone(count):
    cut = kept(CHUNKS)[:count]
    assert not is_sound(cut, msgspec.structs.replace(FACTS, chunks=count, live=True))


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_every_entry_of_a_log_is_proven_and_no_other(entries, data):
    leaves = [leaf_hash(entry) for entry in entries]
    root, index = root_of(leaves), data.draw(st.integers(0, len(leaves) - 1))
    path = inclusion_path(leaves, index)
    assert root_by_path(leaves[index], index, len(leaves), path) == root
    stranger = leaf_hash(b"a stranger's")
    assert root_by_path(stranger, index, len(leaves), path) != root


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_a_log_that_was_rewritten_does_not_fit_an_old_root(entries, data):
    tree, roots = Tree(), [Tree().root()]
    for entry in entries:
        tree.add(leaf_hash(entry))
        roots.append(tree.root())
    size = data.draw(st.integers(1, len(entries)))
    assert root_of([leaf_hash(entry) for entry in entries[:size]]) == roots[size]
    place = data.draw(st.integers(0, size - 1))
    rewritten = [*entries[:place], b"a stranger's", *entries[place + 1 :]]
    assert root_of([leaf_hash(entry) for entry in rewritten[:size]]) != roots[size]
