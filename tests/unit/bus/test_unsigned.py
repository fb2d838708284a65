import pytest

from bus.errors import BadMessageError
from bus.signed import nonce_of
from bus.unsigned import Unsigned


def test_an_answer_is_known_by_the_nonce_of_its_question():
    engine, control = Unsigned("engine-1"), Unsigned("control")
    question = engine.sign("control", b"may I?")
    asked = control.open(question)
    assert (asked.issuer, asked.body) == ("engine-1", b"may I?")
    answer = control.sign("engine-1", b"yes", asked.nonce)
    assert engine.open(answer, nonce_of(question)).body == b"yes"
    with pytest.raises(BadMessageError, match="is not for us"):
        engine.open(answer)


def test_what_is_no_envelope_is_refused():
    with pytest.raises(BadMessageError, match="not an envelope"):
        Unsigned("control").open(b"\x01" * 80)
