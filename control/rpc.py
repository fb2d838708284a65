"""Answers the engines: what `bus.ports.ControlBus.answer` is given.

The database blocks, so every request is answered on a thread; asyncio's pool of them is
the bound.
"""

import asyncio

import structlog

from bus.contract import (
    Alive,
    Denied,
    Done,
    EngineStarted,
    Grant,
    Heartbeat,
    HostKeysPinned,
    PingStorage,
    PinHostKey,
    RedeemCredential,
    Reply,
    Request,
    SessionFailed,
    SessionReady,
    SessionRequest,
    ValidateUser,
)
from bus.errors import BadMessageError, BusUnavailableError
from bus.sealed import SealError
from control import pins, sessions
from control.audit import Act
from control.errors import ControlError
from control.grants import Grants
from control.heartbeats import Heartbeats
from control.user_check import UserCheck
from recorder.ports import Clock
from storage.database import Database
from storage.errors import StorageUnavailableError

_log = structlog.get_logger()


class EngineRequests:
    """Answers each request of an engine."""

    def __init__(
        self,
        database: Database,
        grants: Grants,
        clock: Clock,
        heartbeats: Heartbeats,
        user_check: UserCheck,
    ) -> None:
        self._database = database
        self._grants = grants
        self._clock = clock
        self._heartbeats = heartbeats
        self._user_check = user_check

    async def answer(self, request: Request, asker: str) -> Reply:
        """Return the reply.

        Raises `BadMessageError` for a request that makes no sense, and
        `BusUnavailableError` where the database cannot be used: the engine tries again.
        """
        try:
            return await asyncio.to_thread(self._answer, request)
        except (ControlError, SealError) as error:
            raise BadMessageError(str(error)) from error
        except StorageUnavailableError as error:
            _log.error("control.database_lost", error=str(error))
            raise BusUnavailableError("the control node cannot use its database") from error

    def _answer(self, request: Request) -> Reply:
        match request:
            case Heartbeat():
                self._heartbeats.heard(request)
                return Alive(seal_to=self._user_check.public)
            case ValidateUser():
                return self._user_check.validate(request)
            case PingStorage():
                raise BadMessageError("a ping is for storage, and this is control")
        return self._answer_about_sessions(request)

    def _answer_about_sessions(self, request: SessionRequest) -> Reply:
        match request:
            case RedeemCredential():
                return self._redeem(request)
            case PinHostKey():
                return self._pin(request)
            case SessionReady():
                return self._session_ready(request)
            case SessionFailed():
                return self._session_failed(request)
            case EngineStarted():
                return self._engine_started(request)

    def _redeem(self, request: RedeemCredential) -> Grant | Denied:
        answer = self._grants.redeem(request)
        # Not the user name: who mistypes puts a password there.
        seen = {"engine": request.engine_id, "client_address": request.client_address}
        if isinstance(answer, Denied):
            _log.warning("credential.denied", reason=answer.reason.value, **seen)
        else:
            _log.info(
                "session.granted",
                session_id=str(answer.session_id),
                user=answer.user,
                secret=answer.secret_name,
                **seen,
            )
        return answer

    def _pin(self, request: PinHostKey) -> HostKeysPinned:
        with self._database.transaction() as session:
            act = Act(f"session {request.session_id}", self._clock.now())
            return HostKeysPinned(host_keys=pins.pin(session, act, request))

    def _session_ready(self, request: SessionReady) -> Done:
        with self._database.transaction() as session:
            sessions.ready(session, request.session_id, self._clock.now())
        return Done()

    def _session_failed(self, request: SessionFailed) -> Done:
        now = self._clock.now()
        with self._database.transaction() as session:
            sessions.fail(session, request.session_id, request.end_reason, now)
            act = Act("engine", now)
            subject = str(request.session_id)
            act.note(
                session, "session.failed", subject, f"{request.end_reason}: {request.detail}"
            )
        return Done()

    def _engine_started(self, request: EngineStarted) -> Done:
        now = self._clock.now()
        with self._database.transaction() as session:
            lost = sessions.lose(session, request.engine_id, request.spooled_sessions, now)
            act = Act(f"engine {request.engine_id}", now)
            act.note(session, "engine.started", request.engine_id, f"{lost} sessions lost")
        if lost:
            _log.warning("session.lost", engine=request.engine_id, sessions=lost)
        return Done()
