import os
from pathlib import Path
from uuid import UUID

import pytest
from samples.chunks import (
    DATA_KEY,
    INFO,
    KEYS,
    SESSION,
    STARTED,
    Signers,
    chunk,
)
from samples.recordings import waiting_chunks

from config.model import RecorderSettings
from recorder.chunk import GENESIS, SealReason, check_signed, frame
from recorder.clock import ManualClock
from recorder.events import (
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    encode_burst,
)
from recorder.ports import StorageReceipt
from recorder.recovery import Recovered, recover
from recorder.segment import front_of
from recorder.spool import Spool

TYPED = ClientData(at_ms=700, channel=0, data=b"ls\r")
ENDED = SessionEnded(at_ms=900, reason=EndReason.CLIENT_LEFT)
FRONT = front_of(SESSION, STARTED, DATA_KEY.wrapped)


def written(number: int, *events: KnownEvent) -> bytes:
    """A segment as an engine leaves it, a frame for each event."""
    return FRONT + b"".join(
        frame(b"".join(DATA_KEY.encrypt_frame(number, place, encode_burst([event]))))
        for place, event in enumerate(events)
    )


BEGAN = written(0, SessionStarted(at_ms=0, info=INFO))
TWO = written(0, SessionStarted(at_ms=0, info=INFO), TYPED)
THREE = written(0, SessionStarted(at_ms=0, info=INFO), TYPED, TYPED)
BURST_BYTES = len(THREE) - len(TWO)
FIRST = chunk([SessionStarted(at_ms=0, info=INFO), TYPED])
SECOND = chunk([ClientData(at_ms=800, channel=0, data=b"x")], FIRST)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return started(tmp_path)


def started(folder: Path) -> Spool:
    """A spool as the daemon opens it at its start."""
    spool = Spool(folder, RecorderSettings(), ManualClock(), KEYS)
    spool.prepare()
    return spool


def leave(spool: Spool, **files: bytes) -> Path:
    """Leave files behind, `open0=…` as `0.open`, as a dead engine did."""
    folder = spool.folder(SESSION)
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        kind, number = name.rstrip("0123456789"), name.lstrip("abcdefghijklmnopqrstuvwxyz")
        folder.joinpath(f"{number}.{kind}").write_bytes(content)
    return folder


def test_an_empty_spool_is_in_order(spool: Spool):
    assert recover(spool) == Recovered()


def test_what_was_open_is_sealed_and_the_session_has_an_end(spool: Spool):
    folder = leave(spool, open0=TWO)
    assert recover(spool) == Recovered(sessions=(SESSION,))
    [recovered] = waiting_chunks(spool)
    assert recovered.unpack()[1:] == [
        TYPED,
        SessionEnded(at_ms=700, reason=EndReason.ENGINE_CRASHED),
    ]
    header = recovered.header
    assert (header.sealed, header.end_reason) == (
        SealReason.RECOVERED,
        EndReason.ENGINE_CRASHED,
    )
    assert (header.first_at, header.input_bytes, header.events) == (STARTED, None, None)
    assert {file.name for file in folder.iterdir()} == {"0.chunk"}
    assert spool.waiting() == [SESSION]


@pytest.mark.parametrize("last", [b"", FRONT])
def test_an_end_is_no_earlier_than_what_was_recorded_before_it(spool: Spool, last: bytes):
    """A segment may have begun when the engine died, with nothing in it yet."""
    leave(spool, open0=BEGAN, open1=written(1, TYPED), open2=last)
    assert recover(spool) == Recovered(sessions=(SESSION,))
    events = [event for kept in waiting_chunks(spool) for event in kept.unpack()]
    assert events[-1] == SessionEnded(at_ms=TYPED.at_ms, reason=EndReason.ENGINE_CRASHED)
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)


def test_a_torn_tail_is_cut_and_counted(spool: Spool):
    leave(spool, open0=THREE[:-1])
    assert recover(spool).cut_bytes == BURST_BYTES - 1
    [recovered] = waiting_chunks(spool)
    assert recovered.header.cut_bytes == BURST_BYTES - 1
    assert len(recovered.unpack()) == 3


def test_zeros_after_a_power_cut_are_a_torn_tail(spool: Spool):
    leave(spool, open0=BEGAN + bytes(4096))
    assert recover(spool) == Recovered(sessions=(SESSION,), cut_bytes=4096)


def test_a_frame_altered_in_the_middle_is_kept_as_evidence(spool: Spool):
    altered = bytearray(THREE)
    altered[len(TWO) - 1] ^= 1
    leave(spool, open0=bytes(altered))
    found = recover(spool)
    assert (found.quarantined, found.cut_bytes) == (1, 2 * BURST_BYTES)
    evidence = spool.directory / "quarantine" / f"{SESSION}-0.open"
    assert evidence.read_bytes() == altered
    assert len(waiting_chunks(spool)[0].unpack()) == 2


def test_a_session_that_had_ended_keeps_its_own_end(spool: Spool):
    leave(spool, open0=written(0, SessionStarted(at_ms=0, info=INFO), ENDED))
    recover(spool)
    [recovered] = waiting_chunks(spool)
    assert recovered.unpack()[1:] == [ENDED]


def test_a_kill_between_rename_and_unlink_leaves_each_event_once(spool: Spool):
    leave(spool, chunk0=FIRST.encoded, open0=TWO, open1=written(1, TYPED))
    recover(spool)
    events = [event for kept in waiting_chunks(spool) for event in kept.unpack()]
    assert events.count(TYPED) == 2
    assert [kept.header.sequence for kept in waiting_chunks(spool)] == [0, 1]


def test_a_session_whose_end_is_sealed_only_waits_to_be_shipped(spool: Spool):
    last = chunk([ENDED], FIRST)
    folder = leave(spool, chunk0=FIRST.encoded, chunk1=last.encoded)
    assert recover(spool) == Recovered()
    assert {file.name for file in folder.iterdir()} == {"0.chunk", "1.chunk"}
    assert spool.unshipped_chunks == 2


def test_a_session_without_an_open_segment_gets_its_end_in_a_chunk_of_its_own(spool: Spool):
    leave(spool, chunk0=FIRST.encoded)
    assert recover(spool).sessions == (SESSION,)
    _, last = waiting_chunks(spool)
    assert last.unpack() == [SessionEnded(at_ms=700, reason=EndReason.ENGINE_CRASHED)]
    assert last.header.previous_digest == FIRST.digest


def test_the_chain_holds_when_the_chunk_before_was_stored_already(spool: Spool):
    leave(spool, open0=BEGAN)
    spool.add(FIRST)
    spool.remove(FIRST, StorageReceipt(session_id=SESSION, sequence=0, digest=FIRST.digest))
    leave(spool, open1=written(1, ClientData(at_ms=900, channel=0, data=b"x")))
    (spool.folder(SESSION) / "0.open").unlink()
    recover(started(spool.directory))
    [second] = waiting_chunks(spool)
    assert second.header.sequence == 1
    assert second.header.previous_digest == FIRST.digest
    assert (second.header.first_at - STARTED).total_seconds() == pytest.approx(0.7)


def test_an_unfinished_chunk_is_removed(spool: Spool):
    folder = leave(spool, open0=BEGAN)
    (folder / "0.chunk.tmp").write_bytes(FIRST.encoded[:50])
    recover(spool)
    assert {file.name for file in folder.iterdir()} == {"0.chunk"}


def test_a_session_that_never_was_told_to_begin_leaves_nothing(spool: Spool):
    folder = leave(spool, open0=BEGAN[:-1])
    assert recover(spool).sessions == ()
    assert not folder.exists()


def test_an_empty_folder_is_removed(spool: Spool):
    folder = leave(spool)
    recover(spool)
    assert not folder.exists()


@pytest.mark.parametrize("flipped", [0, 9, 20, -1])
def test_a_damaged_chunk_is_put_aside_and_the_rest_is_kept(spool: Spool, flipped: int):
    damaged = bytearray(FIRST.encoded)
    damaged[flipped] ^= 1
    leave(spool, chunk0=bytes(damaged), chunk1=SECOND.encoded, open2=written(2, TYPED))
    found = recover(spool)
    assert found.quarantined == 1
    assert (spool.directory / "quarantine" / f"{SESSION}-0.chunk").exists()
    assert [kept.header.sequence for kept in waiting_chunks(spool)] == [1, 2]


def test_a_chunk_that_was_altered_shows_and_holds_up_nothing(spool: Spool):
    forged = chunk([SessionStarted(at_ms=0, info=INFO)])
    leave(spool, chunk0=forged.encoded, chunk1=SECOND.encoded)
    assert recover(spool).quarantined == 1
    assert spool.next_sequence(SESSION) == 0


def test_a_chunk_under_the_name_of_another_is_put_aside(spool: Spool):
    leave(spool, chunk0=FIRST.encoded, chunk1=FIRST.encoded)
    assert recover(spool).quarantined == 1


def test_a_segment_after_a_gap_is_kept(spool: Spool):
    leave(spool, open5=written(5, TYPED))
    recover(spool)
    [kept] = waiting_chunks(spool)
    assert (kept.header.sequence, kept.header.previous_digest) == (5, GENESIS)
    assert kept.unpack()[0] == TYPED


def test_recovering_twice_changes_nothing(spool: Spool):
    leave(spool, chunk0=FIRST.encoded, open1=written(1, TYPED), open2=b"")
    recover(spool)
    before = [kept.digest for kept in waiting_chunks(spool)]
    assert recover(started(spool.directory)) == Recovered()
    assert [kept.digest for kept in waiting_chunks(spool)] == before


def test_one_folder_that_cannot_be_read_holds_up_no_other(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    leave(spool, open0=BEGAN)
    spool.folder(UUID(int=8)).mkdir()
    spool.folder(UUID(int=8)).joinpath("0.open").mkdir()
    assert recover(spool).sessions == (SESSION,)
    assert spool.folder(UUID(int=8)).exists()


def test_recovery_as_another_user_says_what_stays(spool: Spool, capsys):
    spool.folder(SESSION).mkdir()
    os.mkfifo(spool.folder(SESSION) / "link.tmp")
    spool.folder(SESSION).joinpath("0.chunk").mkdir()
    recover(spool)
    assert "spool.unrecovered" in capsys.readouterr().out


def test_what_was_left_open_is_signed_and_stays_encrypted(spool: Spool):
    leave(spool, open0=TWO)
    recover(spool)
    [recovered] = waiting_chunks(spool)
    check_signed(recovered, Signers(), None)
    assert (recovered.header.codec, recovered.header.key) == ("frames", DATA_KEY.wrapped)
    assert TWO[len(FRONT) :] in recovered.encoded
    assert recovered.header.manifest is not None


def test_a_segment_that_was_shipped_before_is_not_sealed_again(spool: Spool):
    spool.folder(SESSION).mkdir()
    spool.add(FIRST)
    spool.remove(FIRST, StorageReceipt(session_id=SESSION, sequence=0, digest=FIRST.digest))
    leave(spool, open0=TWO, open1=written(1, TYPED))
    recover(started(spool.directory))
    [second] = waiting_chunks(spool)
    assert (second.header.sequence, second.header.previous_digest) == (1, FIRST.digest)


def test_a_segment_with_a_damaged_front_is_kept_as_evidence(spool: Spool):
    damaged = bytearray(written(1, TYPED))
    damaged[20] ^= 1
    leave(spool, chunk0=FIRST.encoded, open1=bytes(damaged))
    assert recover(spool).quarantined == 1
    _, last = waiting_chunks(spool)
    assert last.unpack() == [SessionEnded(at_ms=700, reason=EndReason.ENGINE_CRASHED)]
