import datetime as dt
import re

import msgspec
import pytest

from bus.contract import EnrolEngine
from bus.enrolment import (
    control_proof,
    engine_proof,
    fingerprint,
    is_proof,
    new_code,
    possession,
)

REQUEST = EnrolEngine(
    engine_id="engine-1",
    site="dmz",
    signing_key=b"s" * 32,
    sealing_key=b"x" * 32,
    expires_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    code_proof=b"",
)
OTHERS = {
    "engine_id": "engine-2",
    "site": "lan",
    "signing_key": b"t" * 32,
    "sealing_key": b"y" * 32,
    "expires_at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
}


def test_a_code_can_be_read_out_and_typed():
    codes = {new_code() for _ in range(50)}
    assert len(codes) == 50
    shape = re.compile("[a-hj-km-np-z2-9]{5}(-[a-hj-km-np-z2-9]{5}){3}")
    assert all(shape.fullmatch(code) for code in codes)


@pytest.mark.parametrize("typed", ["ABCDE-fghjk-23456-mnpqr", " abcde fghjk 23456mnpqr "])
def test_it_does_not_matter_how_a_code_is_typed(typed):
    assert engine_proof(typed, REQUEST) == engine_proof("abcde-fghjk-23456-mnpqr", REQUEST)


def test_another_code_proves_nothing():
    assert not is_proof(engine_proof("abcde", REQUEST), engine_proof("abcdf", REQUEST))


@pytest.mark.parametrize("field", OTHERS)
def test_a_proof_holds_for_all_that_was_sent_and_nothing_else(field):
    altered = msgspec.structs.replace(REQUEST, **{field: OTHERS[field]})
    assert engine_proof("code", altered) != engine_proof("code", REQUEST)
    assert control_proof("code", altered, bytes(32)) != control_proof(
        "code", REQUEST, bytes(32)
    )


def test_every_field_is_proven():
    assert {*OTHERS, "code_proof"} == set(EnrolEngine.__struct_fields__)


def test_what_the_engine_proved_does_not_prove_anything_of_control():
    assert control_proof("code", REQUEST, b"") != engine_proof("code", REQUEST)
    assert control_proof("code", REQUEST, b"k" * 32) != control_proof(
        "code", REQUEST, b"l" * 32
    )


def test_parts_cannot_be_shifted_into_each_other():
    one = msgspec.structs.replace(REQUEST, engine_id="engine-ab", site="c")
    other = msgspec.structs.replace(REQUEST, engine_id="engine-a", site="bc")
    assert engine_proof("code", one) != engine_proof("code", other)
    assert possession("engine-1", b"23") != possession("engine-12", b"3")


def test_a_fingerprint_looks_like_those_of_ssh():
    assert re.fullmatch("SHA256:[A-Za-z0-9+/]{43}", fingerprint(bytes(32)))
