import datetime as dt

from samples.chunks import SIGNER, STARTED

from recorder.signing import SignerKey
from storage.signers import StoredSigners
from storage.tables import NodeKeyRow


def know(database, **fields) -> None:
    given = {
        "public_key": SIGNER.public,
        "node": "engine-1",
        "purpose": "signing",
        "valid_from": STARTED,
        "valid_until": None,
    }
    with database.transaction() as session:
        session.add(NodeKeyRow(**(given | fields)))


def test_an_engine_is_known_by_its_key(database):
    know(database)
    known = StoredSigners(database).find("engine-1", SIGNER.key_id)
    assert known == SignerKey(engine_id="engine-1", public=SIGNER.public)
    assert StoredSigners(database).find("engine-2", SIGNER.key_id) is None
    assert StoredSigners(database).find("engine-1", "another") is None


def test_a_key_for_another_purpose_signs_nothing(database):
    know(database, purpose="sealing")
    assert StoredSigners(database).find("engine-1", SIGNER.key_id) is None


def test_a_revocation_counts_at_once(database):
    know(database)
    signers = StoredSigners(database)
    assert signers.of("engine-1")[0].valid_until is None
    with database.transaction() as session:
        session.get_one(NodeKeyRow, SIGNER.public).valid_until = STARTED
    assert signers.of("engine-1")[0].valid_until == STARTED
    assert signers.of("engine-1")[0].valid_until.tzinfo is dt.UTC


def test_the_keys_of_many_engines_are_read_at_once(database):
    other = bytes(31) + b"9"
    know(database)
    know(database, public_key=other, node="engine-2")
    among = StoredSigners(database).among({"engine-1", "engine-2"})
    for known in (
        SignerKey(engine_id="engine-1", public=SIGNER.public),
        SignerKey(engine_id="engine-2", public=other),
    ):
        assert among.find(known.engine_id, known.key_id) == known
    assert among.find("engine-2", SIGNER.key_id) is None
