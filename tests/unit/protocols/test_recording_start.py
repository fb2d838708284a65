"""A granted session has a recording that names it, or control hears why it has none."""

from pathlib import Path

import pytest
from msgspec import structs
from samples.chunks import SESSION
from samples.recordings import engine
from structlog.testing import capture_logs

from bus.contract import Done, Grant, HostKeyPolicy, SessionFailed
from bus.memory import MemoryBus
from config.model import OnLoss
from protocols.recording_start import AnySurroundings, say_unrecorded, start_recording
from proxyd.bus_broker import BusBroker
from proxyd.metrics import Metrics
from recorder.clock import ManualClock
from recorder.errors import RecordingLostError
from recorder.events import EndReason, SessionStarted
from recorder.session_info import RecordingTerms, SessionInfo, Target, TargetProtocol

GRANT = Grant(
    session_id=SESSION,
    user="ana",
    secret_name="web",
    target=Target(host="h", port=22, protocol=TargetProtocol.SSH),
    terms=RecordingTerms(on_loss=OnLoss.SPOOL),
    channels=frozenset({"shell"}),
    host_key_policy=HostKeyPolicy.TOFU,
    host_keys=(),
    expires_at=None,
    sealed_credential=b"",
)
LOST = RecordingLostError("disk full")


@pytest.mark.parametrize("protocol", TargetProtocol)
async def test_a_recording_begins_with_what_was_granted_and_where_it_is_served(
    tmp_path: Path, protocol: TargetProtocol
):
    target = structs.replace(GRANT.target, protocol=protocol)
    clock = ManualClock()
    async with MemoryBus(1) as bus, engine(tmp_path) as running:
        around = AnySurroundings(
            site="north",
            engine_id="engine-1",
            broker=BusBroker(bus, Metrics()),
            recorders=running.recorders,
            clock=clock,
        )
        granted = structs.replace(GRANT, target=target)
        sink = await start_recording(granted, around, "192.0.2.7")
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        started = running.store.events()[0]
    assert isinstance(started, SessionStarted)
    assert started.info == SessionInfo(
        session_id=SESSION,
        user="ana",
        secret_name="web",
        target=target,
        site="north",
        engine_id="engine-1",
        client_address="192.0.2.7",
        terms=GRANT.terms,
        started_at=clock.now(),
    )


async def test_control_hears_why_a_session_has_no_recording():
    heard = []

    async def answer(request, _asker):
        heard.append(request)
        return Done()

    async with MemoryBus(1) as bus:
        bus.answer(answer)
        await say_unrecorded(GRANT, BusBroker(bus, Metrics()), LOST)
    assert heard == [
        SessionFailed(
            session_id=SESSION, end_reason=EndReason.RECORDING_LOST, detail="disk full"
        )
    ]


async def test_where_control_cannot_be_told_of_a_refusal_the_log_says_so():
    async with MemoryBus(1) as bus:
        with capture_logs() as logged:
            await say_unrecorded(GRANT, BusBroker(bus, Metrics()), LOST)
    [line] = logged
    assert (line["event"], line["log_level"]) == ("session.refusal_unsaid", "warning")
