"""Control's word that somebody is who he says, and what it is worth to whom."""

import pytest

from control.errors import DeniedError
from control.logons import LOGON_S, Logon, Logons, Ticket


@pytest.fixture
def logons(vault):
    return Logons(vault)


@pytest.fixture
def logon(clock):
    return Logon(user="bea", engine_id="engine-1", at=clock.now())


def test_what_was_written_is_read(logons, logon, clock):
    assert logons.logon(logons.write(logon), "engine-1", clock.now()) == logon


def test_a_logon_is_worth_nothing_at_another_engine(logons, logon, clock):
    with pytest.raises(DeniedError):
        logons.logon(logons.write(logon), "engine-2", clock.now())


def test_a_logon_is_worth_nothing_after_a_day(logons, logon, clock):
    written = logons.write(logon)
    clock.advance(LOGON_S + 1)
    with pytest.raises(DeniedError):
        logons.logon(written, "engine-1", clock.now())


def test_nobody_else_writes_one(logons, logon, clock):
    written = bytearray(logons.write(logon))
    written[-1] ^= 1
    for forged in (bytes(written), b"", b"x" * 80):
        with pytest.raises(DeniedError):
            logons.logon(forged, "engine-1", clock.now())


def test_a_logon_that_is_not_finished_is_none(logons, clock):
    ticket = Ticket(
        username="bea",
        engine_id="engine-1",
        client_address="192.0.2.1",
        at=clock.now(),
        asks="pin",
    )
    written = logons.write(ticket)
    assert logons.ticket(written, "engine-1", clock.now()) == ticket
    with pytest.raises(DeniedError):
        logons.logon(written, "engine-1", clock.now())
