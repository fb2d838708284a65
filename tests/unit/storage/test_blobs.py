import datetime as dt

from storage.blobs import DatabaseBlobs
from storage.database import Database


def test_what_was_put_is_there_until_it_is_deleted(database: Database):
    blobs = DatabaseBlobs()
    with database.transaction() as session:
        blobs.put_within(session, {"session/0": b"first", "session/1": b"\0" * 100_000})
        blobs.put_within(session, {"session/0": b"again"})
    with database.read() as session:
        assert blobs.get(session, "session/0") == b"again"
        assert blobs.get(session, "session/1") == b"\0" * 100_000
    with database.transaction() as session:
        blobs.delete(session, ["session/0", "nothing"])
        blobs.delete(session, ["session/0"])
    with database.read() as session:
        assert blobs.get(session, "session/0") is None
        assert blobs.get(session, "session/1") is not None


def test_a_row_never_lacks_what_names_it(database: Database):
    with database.transaction() as session:
        DatabaseBlobs().put_within(session, {"session/0": b"x"})
    assert list(DatabaseBlobs().keys_before(dt.datetime.max.replace(tzinfo=dt.UTC))) == []
