"""How a granted session comes to have a recording, or control hears that it has none.

The same for every protocol: whatever a grant reaches, this is what its recording says of it.
"""

import msgspec
import structlog
from msgspec import Struct

from bus.contract import Grant
from bus.errors import BusError
from protocols.ports import GrantBroker, RecorderFactory
from recorder.errors import RecordingLostError
from recorder.events import EndReason
from recorder.ports import Clock, EventSink
from recorder.session_info import SessionInfo

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class AnySurroundings(Struct, frozen=True, kw_only=True):
    """What every session of a gateway shares, whatever it speaks."""

    site: str
    engine_id: str
    broker: GrantBroker
    recorders: RecorderFactory
    clock: Clock
    crossed_bytes: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """By `Side`: what came from clients and from targets in sessions, since the start."""


async def start_recording(
    grant: Grant, around: AnySurroundings, client_address: str
) -> EventSink:
    """Return the sink of its recording, already on disk; else `RecordingLostError`."""
    info = SessionInfo(
        session_id=grant.session_id,
        user=grant.user,
        secret_name=grant.secret_name,
        target=grant.target,
        site=around.site,
        engine_id=around.engine_id,
        client_address=client_address,
        terms=grant.terms,
        started_at=around.clock.now(),
    )
    return await around.recorders.start(info)


async def say_unrecorded(grant: Grant, broker: GrantBroker, error: RecordingLostError) -> None:
    """Tell control that the session was refused; where the bus is away, only the log has it."""
    try:
        await broker.session_failed(grant, EndReason.RECORDING_LOST, str(error))
    except BusError as unsaid:
        _log.warning("session.refusal_unsaid", error=str(unsaid))
