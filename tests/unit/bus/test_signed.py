import datetime as dt

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus import signed
from bus.errors import BadMessageError
from bus.signed import Signer, Verifier, introduced, introduction, nonce_of

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
KEY, SUCCESSOR, STRANGER = (Ed25519PrivateKey.generate() for _ in range(3))


def public(key):
    return key.public_key().public_bytes_raw()


def later(seconds):
    return NOW + dt.timedelta(seconds=seconds)


def known(issuer):
    return {"engine-1": (public(KEY),), "engine-2": (public(STRANGER),)}.get(issuer)


@pytest.fixture
def signer():
    return Signer("engine-1", KEY)


@pytest.fixture
def verifier():
    return Verifier("control", known)


def test_a_message_arrives_with_its_issuer(signer, verifier):
    envelope = signer.sign("control", b"hello", NOW)
    opened = verifier.open(envelope, NOW)
    assert (opened.issuer, opened.body) == ("engine-1", b"hello")
    assert opened.nonce == nonce_of(envelope)


def test_nobody_can_speak_in_the_name_of_another(verifier):
    envelope = Signer("engine-1", STRANGER).sign("control", b"hello", NOW)
    with pytest.raises(BadMessageError, match="none of its keys signed it"):
        verifier.open(envelope, NOW)


def test_a_stranger_is_not_heard(verifier):
    envelope = Signer("engine-9", STRANGER).sign("control", b"hello", NOW)
    with pytest.raises(BadMessageError, match="'engine-9' came, who is not known"):
        verifier.open(envelope, NOW)


def test_a_message_to_somebody_else_is_refused(signer, verifier):
    with pytest.raises(BadMessageError, match="to 'engine-2' came to 'control'"):
        verifier.open(signer.sign("engine-2", b"hello", NOW), NOW)


def test_a_message_is_opened_once(signer, verifier):
    envelope = signer.sign("control", b"hello", NOW)
    verifier.open(envelope, NOW)
    with pytest.raises(BadMessageError, match="a second time"):
        verifier.open(envelope, later(59))


@pytest.mark.parametrize("seconds", [-30, 0, 59])
def test_clocks_may_differ_a_little(signer, verifier, seconds):
    assert verifier.open(signer.sign("control", b"", NOW), later(seconds)).body == b""


@pytest.mark.parametrize(
    ("seconds", "reason"), [(60, "expired 30 s ago"), (-31, "31 s in the future")]
)
def test_clocks_may_not_differ_much(signer, verifier, seconds, reason):
    with pytest.raises(BadMessageError, match=reason):
        verifier.open(signer.sign("control", b"", NOW), later(seconds))


@pytest.mark.parametrize("ttl_s", [-1, 0, 121])
def test_no_message_claims_to_live_for_long_or_not_at_all(signer, verifier, ttl_s):
    with pytest.raises(BadMessageError, match="claims to live"):
        verifier.open(signer.sign("control", b"", NOW, ttl_s=ttl_s), NOW)


def test_a_question_is_no_answer_and_an_answer_no_question(signer, verifier):
    question = signer.sign("control", b"", NOW)
    answer = signer.sign("control", b"", NOW, in_reply_to=nonce_of(question))
    for envelope, expected in ((question, nonce_of(question)), (answer, None)):
        with pytest.raises(BadMessageError, match="another question"):
            verifier.open(envelope, NOW, in_reply_to=expected)
    assert verifier.open(answer, NOW, in_reply_to=nonce_of(question))


def test_what_was_signed_before_the_start_is_refused(signer):
    verifier = Verifier("control", known, since=NOW)
    with pytest.raises(BadMessageError, match="before this node started"):
        verifier.open(signer.sign("control", b"", later(-0.001)), NOW)
    assert verifier.open(signer.sign("control", b"", NOW), NOW)


def test_both_keys_count_while_one_follows_the_other(verifier):
    verifier = Verifier("control", lambda _: (public(KEY), public(SUCCESSOR)))
    for key in (KEY, SUCCESSOR):
        assert verifier.open(Signer("engine-1", key).sign("control", b"", NOW), NOW)


def test_a_refused_message_may_still_come_in_time(signer, verifier):
    # Nothing is remembered of what was refused: else a stranger could use nonces up.
    envelope = signer.sign("control", b"", NOW)
    with pytest.raises(BadMessageError):
        verifier.open(envelope, NOW, in_reply_to=bytes(16))
    assert verifier.open(envelope, NOW)


def test_an_issuer_that_says_too_much_is_refused_until_nonces_expire(
    signer, verifier, monkeypatch
):
    monkeypatch.setattr(signed, "MAX_REMEMBERED", 3)
    for second in range(3):
        verifier.open(signer.sign("control", b"", later(second)), later(second))
    with pytest.raises(BadMessageError, match="refused until some expire"):
        verifier.open(signer.sign("control", b"", later(3)), later(3))
    other = Signer("engine-2", STRANGER).sign("control", b"", later(3))
    assert verifier.open(other, later(3)), "the others are still heard"
    assert verifier.open(signer.sign("control", b"", later(60)), later(60))
    with pytest.raises(BadMessageError, match="refused until some expire"):
        verifier.open(signer.sign("control", b"", later(60)), later(60))


def test_strangers_together_fill_no_more_than_one_issuer_may(verifier, monkeypatch):
    monkeypatch.setattr(signed, "MAX_REMEMBERED", 3)
    verifier = Verifier("control", lambda issuer: (introduced(issuer) or b"",))
    keys = [Ed25519PrivateKey.generate() for _ in range(4)]
    envelopes = [Signer(introduction(public(k)), k).sign("control", b"", NOW) for k in keys]
    for envelope in envelopes[:3]:
        verifier.open(envelope, NOW)
    with pytest.raises(BadMessageError, match="refused until some expire"):
        verifier.open(envelopes[3], NOW)


def test_an_introduction_is_the_name_of_its_key():
    assert introduced(introduction(public(KEY))) == public(KEY)
    assert introduced("engine-1") is None
    assert introduced("ed25519:no hex") is None


def test_a_body_that_is_too_large_is_neither_signed_nor_read():
    with pytest.raises(BadMessageError, match="more than 10"):
        Signer("engine-1", KEY, max_body_bytes=10).sign("control", bytes(11), NOW)
    large = Signer("engine-1", KEY).sign("control", bytes(5000), NOW)
    with pytest.raises(BadMessageError, match="is refused"):
        Verifier("control", known, max_body_bytes=10).open(large, NOW)


def test_the_longest_names_fit(verifier):
    name = "\N{GRINNING FACE}" * signed.MAX_NAME_CHARACTERS
    verifier = Verifier(name, lambda _: (public(KEY),), max_body_bytes=1)
    envelope = Signer(name, KEY, max_body_bytes=1).sign(name, b"x", NOW, in_reply_to=bytes(16))
    assert verifier.open(envelope, NOW, in_reply_to=bytes(16)).body == b"x"


def forged(**other):
    """An envelope whose signature holds and whose statement makes no sense."""
    statement = {
        "issuer": "engine-1",
        "audience": "control",
        "nonce": bytes(16),
        "issued_at_ms": int(NOW.timestamp() * 1000),
        "expires_at_ms": int(NOW.timestamp() * 1000) + 1000,
        "in_reply_to": None,
        "body": b"",
    } | other
    encoded = msgspec.msgpack.encode(tuple(statement.values()))
    return bytes((signed.VERSION,)) + KEY.sign(signed._DOMAIN + encoded) + encoded


def test_the_forger_forges_well(verifier):
    assert verifier.open(forged(), NOW)


@pytest.mark.parametrize(
    "other",
    [
        {"nonce": b""},
        {"nonce": bytes(17)},
        {"in_reply_to": bytes(15)},
        {"issuer": ""},
        {"issuer": "x" * 129},
        {"audience": "x" * 129},
        {"issued_at_ms": -1},
        {"expires_at_ms": 2**63},
        {"body": None},
    ],
)
def test_a_signature_does_not_make_sense_of_nonsense(verifier, other):
    with pytest.raises(BadMessageError, match="not a signed message"):
        verifier.open(forged(**other), NOW)


@pytest.mark.parametrize("noise", [b"", b"\x01", b"\x02" + bytes(100), b"\x01" + bytes(64)])
def test_noise_is_a_bad_message(verifier, noise):
    with pytest.raises(BadMessageError):
        verifier.open(noise, NOW)
