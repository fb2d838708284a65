from bus.contract import Heartbeat
from control.heartbeats import FORGOTTEN_S, SILENT_S, Heartbeats
from recorder.clock import ManualClock

BEAT = Heartbeat(
    engine_id="engine-1",
    site="dmz",
    version="1",
    live_sessions=1,
    unshipped_chunks=0,
    spool_bytes=0,
)


def test_an_engine_is_there_then_silent_then_forgotten():
    clock = ManualClock()
    heartbeats = Heartbeats(clock)
    heartbeats.heard(BEAT)
    assert (heartbeats.fresh(), heartbeats.silent()) == ((BEAT,), ())
    clock.advance(SILENT_S)
    assert (heartbeats.fresh(), heartbeats.silent()) == ((), (BEAT,))
    clock.advance(FORGOTTEN_S)
    assert (heartbeats.fresh(), heartbeats.silent()) == ((), ())
