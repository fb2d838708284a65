"""Whoever leaves while control is asked leaves no session behind."""

import asyncio

import pytest
from samples.chunks import SESSION
from structlog.testing import capture_logs

from bus.contract import DenialReason, Grant, HostKeyPolicy, RedeemCredential
from bus.errors import BusUnavailableError
from protocols.errors import AccessDeniedError
from protocols.redemption import Redemption
from recorder.events import EndReason
from recorder.session_info import RecordingTerms, Target, TargetProtocol

REQUEST = RedeemCredential(
    engine_id="engine-1",
    site="north",
    protocol=TargetProtocol.RDP,
    username="px-7",
    password_proof=b"",
    client_address="192.0.2.7",
    seal_to=b"",
)
GRANT = Grant(
    session_id=SESSION,
    user="ana",
    secret_name="desk",
    target=Target(host="h", port=3389, protocol=TargetProtocol.RDP),
    terms=RecordingTerms(),
    channels=frozenset(),
    host_key_policy=HostKeyPolicy.TOFU,
    host_keys=(),
    expires_at=None,
    sealed_credential=b"",
)


class Control:
    """Answers when it is told to, and hears of sessions that failed."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self.given_back: list[tuple[Grant, EndReason, str]] = []
        self.away = False

    async def redeem(self, request: RedeemCredential) -> Grant:
        assert request is REQUEST
        return await self.answer

    async def session_failed(self, grant: Grant, reason: EndReason, detail: str) -> None:
        if self.away:
            raise BusUnavailableError("the broker is away")
        self.given_back.append((grant, reason, detail))


async def test_who_waits_is_given_what_control_grants():
    control = Control()
    control.answer.set_result(GRANT)
    async with asyncio.TaskGroup() as tasks:
        assert await Redemption(control, tasks).redeem(REQUEST) is GRANT
    assert control.given_back == []


async def test_who_waits_hears_why_there_is_none():
    control = Control()
    control.answer.set_exception(AccessDeniedError(DenialReason.USED_UP))
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(AccessDeniedError, match="used_up"):
            await Redemption(control, tasks).redeem(REQUEST)


async def left(control: Control, *, before: bool) -> None:
    """Somebody asks and leaves: before control's answer, or in the same turn of the loop."""
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(Redemption(control, tasks).redeem(REQUEST))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not before:
            control.answer.set_result(GRANT)
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        if before:
            control.answer.set_result(GRANT)


@pytest.mark.parametrize("before", [True, False])
async def test_what_is_granted_to_who_has_left_is_given_back_once(before):
    control = Control()
    await left(control, before=before)
    text = "the client left during login"
    assert control.given_back == [(GRANT, EndReason.CLIENT_LEFT, text)]


async def test_that_it_could_not_be_given_back_is_logged():
    control = Control()
    control.away = True
    with capture_logs() as logs:
        await left(control, before=True)
    told = [(one["event"], one["log_level"]) for one in logs]
    assert told == [("session.end_unsaid", "warning")]


async def test_that_control_refuses_who_has_left_troubles_nobody():
    control = Control()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(Redemption(control, tasks).redeem(REQUEST))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        control.answer.set_exception(AccessDeniedError(DenialReason.USED_UP))
    assert control.given_back == []
