import datetime as dt
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from samples.chunks import KEYS, SESSION, SIGNER, STARTED, Signers, chunk, three_chunks

from control import node_keys, sessions
from control.audit import Act
from control.errors import NotFoundError
from control.node_keys import Purpose
from control.proofs import Proofs
from control.storage_keys import StorageKeys
from recorder.events import EndReason, SessionEnded
from recorder.signing import is_signed
from recorder.tree_head import bundle_text, decode_head, encode_head
from storage.blobs import DatabaseBlobs
from storage.retention import Retention, Rule, set_rule
from storage.tables import AuditRow, ChunkRow, LogRow, SessionRow
from storage.writer import Writer


@pytest.fixture
def keys(database, vault) -> StorageKeys:
    return StorageKeys(database, vault)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "heads"
    folder.mkdir()
    return folder


@pytest.fixture
def proofs(database, keys, clock, folder) -> Proofs:
    return Proofs(database, keys, clock, folder)


@pytest.fixture
def writer(database, clock) -> Writer:
    with database.transaction() as session:
        node_keys.add(session, "engine-1", Purpose.SIGNING, SIGNER.public, STARTED)
    return Writer(database, DatabaseBlobs(), clock, KEYS, Signers())


def end(writer: Writer, number: int) -> None:
    """Store another session, which is over at once."""
    last = SessionEnded(at_ms=0, reason=EndReason.IDLE)
    writer.store(chunk([last], session_id=UUID(int=number)))


def test_an_ended_session_is_proven(proofs, writer, keys):
    chunks = three_chunks()
    for each in chunks:
        writer.store(each)
    proof = proofs.of(SESSION)
    assert [signer.key_id for signer in proof.signers] == [SIGNER.key_id]
    assert proof.log is not None
    assert proof.log.proves(SESSION, chunks[-1].digest)
    assert (proof.last_digest, proof.problems) == (chunks[-1].digest, ())
    assert proof.storage_key == keys.signer.public


def test_a_live_session_is_not_in_the_log_yet(proofs, writer):
    writer.store(three_chunks()[0])
    proof = proofs.of(SESSION)
    assert (proof.log, proof.problems) == (None, ())


def test_nobody_speaks_for_a_session_that_is_not_there(proofs):
    with pytest.raises(NotFoundError):
        proofs.of(SESSION)


def test_an_entry_that_was_taken_out_is_told(proofs, writer, database):
    end(writer, 1)
    with database.transaction() as session:
        session.delete(session.get_one(LogRow, 0))
    assert "not in the log" in proofs.of(UUID(int=1)).problems[0]
    assert "not in the log" in proofs.check_log().problems[0]


def test_a_head_is_written_once_for_each_size(proofs, writer, folder, clock):
    proofs.export_head()
    assert list(folder.iterdir()) == []
    end(writer, 1)
    proofs.export_head()
    [path] = folder.iterdir()
    written = path.read_bytes()
    clock.advance(60)
    proofs.export_head()
    assert path.read_bytes() == written
    head = decode_head(written)
    assert (head.size, head.holds) == (1, True)
    end(writer, 2)
    proofs.export_head()
    assert len(list(folder.iterdir())) == 2
    assert proofs.check_log().problems == ()


def test_a_recording_that_retention_deleted_stays_in_the_log(
    proofs, writer, database, clock, folder
):
    for number in (1, 2):
        end(writer, number)
        proofs.export_head()
    with database.transaction() as session:
        sessions.find(session, UUID(int=2)).hold_reason = "a trial"
        set_rule(session, Rule(scope="default", name="", days=1))
    clock.advance(2 * 24 * 3600)
    [deleted] = Retention(database, DatabaseBlobs(), clock).run()
    assert deleted.session_id == UUID(int=1)
    checked = proofs.check_log()
    assert (checked.size, checked.heads, checked.problems) == (2, 2, ())
    proof = proofs.of(UUID(int=1))
    assert proof.log is not None
    assert proof.log.proves(UUID(int=1), proof.last_digest)
    with database.transaction() as session:
        session.delete(session.get_one(ChunkRow, (UUID(int=1), 0)))
    assert "is not stored any more" in proofs.check_log().problems[0]


def roll_back(database, position: int) -> None:
    """What somebody does who may write the database, and would hide a session."""
    with database.transaction() as session:
        entry = session.get_one(LogRow, position)
        for row in session.query(ChunkRow).where(ChunkRow.session_id == entry.session_id):
            session.delete(row)
        session.flush()
        session.delete(session.get_one(SessionRow, entry.session_id))
        session.delete(entry)
        for later in session.query(LogRow).where(LogRow.position > position):
            later.position -= 1


def test_a_session_that_was_removed_without_a_trace_contradicts_an_exported_head(
    proofs, writer, database
):
    for number in (1, 2, 3):
        end(writer, number)
    proofs.export_head()
    roll_back(database, 2)
    assert "was rolled back" in proofs.check_log().problems[0]
    assert "was rolled back" in proofs.of(UUID(int=1)).problems[0]


def test_a_log_that_was_written_anew_contradicts_an_exported_head(proofs, writer, database):
    for number in (1, 2, 3):
        end(writer, number)
    proofs.export_head()
    roll_back(database, 0)
    end(writer, 4)
    [problem] = proofs.check_log().problems
    assert "was written anew" in problem


@pytest.mark.parametrize("how", ["noise", "altered", "of another"])
def test_a_head_that_this_side_did_not_sign_is_told(proofs, writer, folder, how):
    end(writer, 1)
    proofs.export_head()
    [path] = folder.iterdir()
    head = decode_head(path.read_bytes())
    if how == "noise":
        path.write_bytes(b"noise")
    elif how == "altered":
        later = head.signed_at + dt.timedelta(days=1)
        path.write_bytes(encode_head(msgspec.structs.replace(head, signed_at=later)))
    else:
        other = msgspec.structs.replace(head, public=SIGNER.public)
        other = msgspec.structs.replace(other, signature=SIGNER.sign(other.text))
        path.write_bytes(encode_head(other))
    assert "is no tree head" in proofs.check_log().problems[0]


def test_a_session_without_its_end_contradicts_the_log(proofs, writer, database):
    end(writer, 1)
    with database.transaction() as session:
        session.delete(session.get_one(ChunkRow, (UUID(int=1), 0)))
    assert "is not stored any more" in proofs.check_log().problems[0]


@pytest.mark.parametrize(
    "untrue", [{"state": "live"}, {"state": "lost"}, {"last_sequence": None}]
)
def test_a_session_that_was_made_to_go_on_after_its_end_contradicts_the_log(
    proofs, writer, database, untrue
):
    for number in (1, 2):
        end(writer, number)
    with database.transaction() as session:
        row = session.get_one(SessionRow, UUID(int=1))
        for column, value in untrue.items():
            setattr(row, column, value)
    for problems in (proofs.of(UUID(int=1)).problems, proofs.check_log().problems):
        [problem] = problems
        assert f"session {UUID(int=1)} has ended by the log of sessions" in problem
    assert proofs.of(UUID(int=2)).problems == ()


def test_a_folder_that_cannot_be_written_is_told(
    database, keys, clock, writer, tmp_path, capsys
):
    end(writer, 1)
    Proofs(database, keys, clock, tmp_path / "missing").export_head()
    assert "tree_head.unwritten" in capsys.readouterr().out


def test_without_a_folder_nothing_is_written(database, keys, clock, writer):
    end(writer, 1)
    proofs = Proofs(database, keys, clock, None)
    proofs.export_head()
    assert proofs.check_log().heads == 0


def test_who_exports_a_bundle_leaves_a_trace(proofs, writer, keys, database, clock):
    end(writer, 1)
    signed = proofs.sign_bundle(UUID(int=1), bytes(32), Act("ana", clock.now()))
    assert is_signed(bundle_text(bytes(32)), signed.signature, keys.signer.public)
    with database.read() as session:
        last = session.query(AuditRow).order_by(AuditRow.id.desc()).first()
        assert (last.who, last.action) == ("ana", "session.exported")
