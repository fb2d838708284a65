import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.errors import BadMessageError
from bus.identity import Identity, Introduction
from bus.signed import introduced, nonce_of
from recorder.clock import ManualClock

KEYS = {name: Ed25519PrivateKey.generate() for name in ("control", "engine-1")}


def known(name):
    key = KEYS.get(name)
    return None if key is None else (key.public_key().public_bytes_raw(),)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def node(clock):
    return lambda name: Identity(name, KEYS[name], known, clock)


def test_a_question_and_its_answer_find_each_other(node):
    engine, control = node("engine-1"), node("control")
    question = engine.sign("control", b"may ana in?")
    asked = control.open(question)
    assert (asked.issuer, asked.body) == ("engine-1", b"may ana in?")
    answer = control.sign(asked.issuer, b"yes", reply_to_nonce=asked.nonce)
    assert engine.open(answer, reply_to_nonce=nonce_of(question)).body == b"yes"


def test_the_answer_to_another_question_is_refused(node):
    engine, control = node("engine-1"), node("control")
    first, second = engine.sign("control", b"may ana in?"), engine.sign("control", b"eve?")
    answer = control.sign("engine-1", b"yes", reply_to_nonce=control.open(first).nonce)
    with pytest.raises(BadMessageError, match="answers another question"):
        engine.open(answer, reply_to_nonce=nonce_of(second))


def test_a_restart_lets_nothing_be_repeated(node, clock):
    command = node("control").sign("engine-1", b"end the session")
    node("engine-1").open(command)
    clock.advance(1)
    with pytest.raises(BadMessageError, match="before this node started"):
        node("engine-1").open(command)


def test_a_stranger_introduces_himself_and_hears_whoever_answers(clock):
    key = Ed25519PrivateKey.generate()
    stranger = Introduction("engine-9", key, clock)
    everybody = Identity("control", KEYS["control"], lambda i: (introduced(i),), clock)
    question = stranger.sign("control", b"let me in")
    asked = everybody.open(question)
    assert introduced(asked.issuer) == key.public_key().public_bytes_raw()
    answer = everybody.sign(asked.issuer, b"wait", reply_to_nonce=asked.nonce)
    assert stranger.open(answer, nonce_of(question)).body == b"wait"
    with pytest.raises(BadMessageError, match="answers another question"):
        stranger.open(answer, bytes(16))


def test_a_new_key_signs_what_comes_after_it(node, monkeypatch):
    engine, control = node("engine-1"), node("control")
    successor = Ed25519PrivateKey.generate()
    control.sign_with(successor)
    command = control.sign("engine-1", b"end")
    with pytest.raises(BadMessageError, match="none of its keys"):
        engine.open(command)
    monkeypatch.setitem(KEYS, "control", successor)
    assert engine.open(command).body == b"end"
