"""Answers the engines: what `bus.ports.ControlBus.answer` is given.

The database blocks, so every request is answered on a thread; asyncio's pool of them is
the bound.
"""

import asyncio

import structlog

from bus.command_reports import CommandReport, HoldCommand, command_info
from bus.contract import (
    Alive,
    ConnectionLost,
    Denied,
    Done,
    EngineStarted,
    EnrolEngine,
    FetchTrustedKeys,
    Grant,
    Heartbeat,
    HostKeysPinned,
    NTLMProved,
    PingStorage,
    PinHostKey,
    ProveNTLM,
    RedeemCredential,
    Reply,
    Request,
    RotateEngineKey,
    SessionFailed,
    SessionReady,
    TrustedKeys,
)
from bus.errors import BadMessageError, BusUnavailableError
from bus.own_account import OfEngine
from bus.sealed import SealError
from bus.signed import introduced
from control import authority, command_reports, engines, pins, reconnects, sessions, succession
from control.audit import Act
from control.errors import ControlError, DeniedError
from control.grants import Grants
from control.heartbeats import Heartbeats
from control.nt_hashes import NTLMCheck
from control.own_account import AccountRequests
from recorder.ports import Clock
from storage.database import Database
from storage.errors import StorageUnavailableError

_log = structlog.get_logger()


class EngineRequests:
    """Answers each request of an engine, and none in the name of another."""

    def __init__(
        self,
        database: Database,
        grants: Grants,
        clock: Clock,
        heartbeats: Heartbeats,
        accounts: AccountRequests,
        ntlm_check: NTLMCheck,
    ) -> None:
        self._database = database
        self._grants = grants
        self._clock = clock
        self._heartbeats = heartbeats
        self._accounts = accounts
        self._ntlm_check = ntlm_check

    async def answer(self, request: Request, asker: str) -> Reply:
        """Return the reply to `asker`, whose signature the bus has verified.

        Raises `BadMessageError` for a request that makes no sense or is not the asker's to
        make, and `BusUnavailableError` where the database cannot be used: the engine tries
        again.
        """
        try:
            return await asyncio.to_thread(self._answer, request, asker)
        except (ControlError, SealError) as error:
            raise BadMessageError(str(error)) from error
        except StorageUnavailableError as error:
            _log.error("control.database_lost", error=str(error))
            raise BusUnavailableError("the control node cannot use its database") from error

    def _answer(self, request: Request, asker: str) -> Reply:
        try:
            if isinstance(request, EnrolEngine):
                return self._enrol(request, asker)
            with self._database.read() as session:
                authority.check(session, request, asker)
            return self._answer_engine(request, asker)
        except DeniedError as error:
            self._note_denial(request, asker, error)
            raise

    def _answer_engine(self, request: Request, asker: str) -> Reply:
        match request:
            case Heartbeat():
                self._heartbeats.heard(request)
                return Alive(seal_to=self._accounts.public)
            case OfEngine():
                return self._accounts.answer(request)
            case CommandReport() | HoldCommand():
                return self._answer_about_command(request)
            case FetchTrustedKeys():
                return self._tell_keys(asker)
            case PingStorage():
                raise BadMessageError("a ping is for storage, and this is control")
            case RotateEngineKey():
                self._rotate_key(request, asker)
        return self._answer_about_sessions(request)

    def _answer_about_sessions(self, request: Request) -> Reply:
        match request:
            case RedeemCredential():
                return self._redeem(request)
            case ProveNTLM():
                return self._prove(request)
            case PinHostKey():
                return self._pin(request)
            case SessionReady():
                self._session_ready(request)
            case SessionFailed():
                self._session_failed(request)
            case ConnectionLost():
                self._connection_lost(request)
            case EngineStarted():
                self._engine_started(request)
        return Done()

    def _note_denial(self, request: Request, asker: str, error: DeniedError) -> None:
        kind = str(request.__struct_config__.tag)
        _log.warning("engine.denied", engine=asker, message=kind, reason=str(error))
        with self._database.transaction() as session:
            act = Act(f"engine {asker}", self._clock.now())
            act.note(session, "engine.denied", kind, str(error))

    def _enrol(self, request: EnrolEngine, asker: str) -> Reply:
        if introduced(asker) != request.signing_key:
            raise DeniedError(f"{asker} asks to enrol a key that is not its own")
        with self._database.transaction() as session:
            act = Act(f"engine {request.engine_id}", self._clock.now())
            return engines.ask(session, request, act)

    def _tell_keys(self, asker: str) -> TrustedKeys:
        with self._database.transaction() as session:
            return succession.tell(session, asker, self._clock.now())

    def _rotate_key(self, request: RotateEngineKey, asker: str) -> None:
        with self._database.transaction() as session:
            act = Act(f"engine {asker}", self._clock.now())
            succession.rotate_engine(session, asker, request, act)
        _log.info("engine.key_rotated", engine=asker)

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

    def _prove(self, request: ProveNTLM) -> NTLMProved | Denied:
        answer = self._ntlm_check.prove(request)
        if isinstance(answer, Denied):
            _log.warning(
                "credential.denied",
                reason=answer.reason.value,
                engine=request.engine_id,
                client_address=request.client_address,
            )
        return answer

    def _pin(self, request: PinHostKey) -> HostKeysPinned:
        with self._database.transaction() as session:
            act = Act(f"session {request.session_id}", self._clock.now())
            return HostKeysPinned(host_keys=pins.pin(session, act, request))

    def _session_ready(self, request: SessionReady) -> None:
        with self._database.transaction() as session:
            sessions.ready(session, request.session_id, self._clock.now())

    def _session_failed(self, request: SessionFailed) -> None:
        now = self._clock.now()
        with self._database.transaction() as session:
            sessions.fail(session, request.session_id, request.end_reason, now)
            act = Act("engine", now)
            subject = str(request.session_id)
            act.note(
                session, "session.failed", subject, f"{request.end_reason}: {request.detail}"
            )

    def _connection_lost(self, request: ConnectionLost) -> None:
        with self._database.transaction() as session:
            reconnects.lose(session, request.session_id, self._clock.now())

    def _answer_about_command(self, request: CommandReport | HoldCommand) -> Reply:
        info = command_info(request.session_id)
        typed = self._accounts.open(request.sealed_command, info)
        command = "".join(mark if mark.isprintable() else " " for mark in typed)
        with self._database.transaction() as session:
            if isinstance(request, HoldCommand):
                return command_reports.hold(session, request, command, self._clock.now())
            command_reports.note(session, request, command, self._clock.now())
        return Done()

    def _engine_started(self, request: EngineStarted) -> None:
        now = self._clock.now()
        with self._database.transaction() as session:
            engines.note_gateways(session, request)
            lost = sessions.lose(session, request.engine_id, request.spooled_sessions, now)
            act = Act(f"engine {request.engine_id}", now)
            act.note(session, "engine.started", request.engine_id, f"{lost} sessions lost")
        if lost:
            _log.warning("session.lost", engine=request.engine_id, sessions=lost)
