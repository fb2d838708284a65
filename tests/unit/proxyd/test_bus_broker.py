import secrets
from uuid import UUID

import pytest
from msgspec import structs
from samples.chunks import three_chunks

from bus.contract import (
    ConnectionLost,
    DenialReason,
    Denied,
    Done,
    Grant,
    HostKeyPolicy,
    HostKeysPinned,
    PinHostKey,
    RedeemCredential,
    SessionFailed,
    SessionReady,
)
from bus.errors import BadMessageError, BusUnavailableError
from bus.memory import MemoryBus
from protocols.errors import AccessDeniedError
from proxyd.bus_broker import BusBroker
from proxyd.metrics import Metrics
from recorder.events import EndReason
from recorder.session_info import RecordingTerms, Target, TargetProtocol

SESSION = UUID(int=7)
ASKED = RedeemCredential(
    engine_id="engine-1",
    site="default",
    protocol=TargetProtocol.SSH,
    username="handle",
    password_proof=bytes(32),
    client_address="127.0.0.1",
    seal_to=bytes(32),
)
GRANT = Grant(
    session_id=SESSION,
    user="ana",
    secret_name="web",
    target=Target(host="h", port=22, protocol=TargetProtocol.SSH),
    terms=RecordingTerms(),
    channels=frozenset({"shell"}),
    host_key_policy=HostKeyPolicy.TOFU,
    host_keys=(),
    expires_at=None,
    sealed_credential=secrets.token_bytes(16),
)
CHUNK = three_chunks()[0]


@pytest.fixture
async def bus():
    async with MemoryBus(1) as bus:
        yield bus


def counted(metrics: Metrics, line: str) -> bool:
    return f"\n{line}\n".encode() in metrics.exposition()


async def test_a_grant_is_handed_on_and_counted(bus):
    async def answer(_request, _asker):
        return GRANT

    bus.answer(answer)
    metrics = Metrics()
    assert await BusBroker(bus, metrics).redeem(ASKED) == GRANT
    assert counted(metrics, 'proxyd_logins_total{outcome="granted",protocol="ssh"} 1.0')


async def test_a_grant_is_opened_with_the_key_of_the_engine(bus):
    sealed = structs.replace(GRANT, sealed_to_engine=True)

    async def answer(_request, _asker):
        return sealed

    bus.answer(answer)
    broker = BusBroker(bus, Metrics(), unseal=lambda grant: GRANT if grant == sealed else grant)
    assert await broker.redeem(ASKED) == GRANT
    with pytest.raises(BadMessageError, match="does not have"):
        await BusBroker(bus, Metrics()).redeem(ASKED)


async def test_a_refusal_is_an_error_with_its_reason(bus):
    async def answer(_request, _asker):
        return Denied(reason=DenialReason.EXPIRED)

    bus.answer(answer)
    metrics = Metrics()
    with pytest.raises(AccessDeniedError) as refused:
        await BusBroker(bus, metrics).redeem(ASKED)
    assert refused.value.reason is DenialReason.EXPIRED
    assert counted(metrics, 'proxyd_logins_total{outcome="denied",protocol="ssh"} 1.0')


async def test_silence_is_counted_too(bus):
    metrics = Metrics()
    with pytest.raises(BusUnavailableError):
        await BusBroker(bus, metrics).redeem(ASKED)
    assert counted(metrics, 'proxyd_logins_total{outcome="unanswered",protocol="ssh"} 1.0')


async def test_control_hears_of_keys_readiness_and_failure(bus):
    heard = []

    async def answer(request, _asker):
        heard.append(request)
        return HostKeysPinned(host_keys=("k",)) if isinstance(request, PinHostKey) else Done()

    bus.answer(answer)
    broker = BusBroker(bus, Metrics())
    assert await broker.pin_host_key(GRANT, "k") == ("k",)
    await broker.session_ready(GRANT)
    await broker.connection_lost(GRANT)
    await broker.session_failed(GRANT, EndReason.RECORDING_LOST, "disk full")
    failed = SessionFailed(
        session_id=SESSION, end_reason=EndReason.RECORDING_LOST, detail="disk full"
    )
    pinned = PinHostKey(session_id=SESSION, host_key="k")
    ready, lost = SessionReady(session_id=SESSION), ConnectionLost(session_id=SESSION)
    assert heard == [pinned, ready, lost, failed]
