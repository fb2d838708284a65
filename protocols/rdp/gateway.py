"""The RDP gateway: listens, admits, authenticates, and serves each session in its task.

The accept loop awaits nothing: admission is a look at some numbers, and everything that
takes time happens in the connection's own task. An exception in one session ends that
session and no other.
"""

import asyncio
import random
from collections.abc import Callable
from uuid import UUID

import structlog

from protocols.admission import Admission, Admitted, Departure, Refused
from protocols.errors import RemoteProtocolError
from protocols.listening import OpenPorts
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.login import Login, LoginRefusedError
from protocols.rdp.served_session import Granted, Keys, ServedSession, Surroundings
from protocols.redemption import Redemption
from recorder.events import EndReason

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class RDPGateway:
    """Listens on every address of `[rdp] listen`."""

    def __init__(self, around: Surroundings, keys: Keys) -> None:
        settings = around.settings
        self._around, self._keys = around, keys
        self._admission = Admission(
            settings.max_startups,
            penalties=settings.source_penalties,
            max_startups_per_source=settings.max_startups_per_source,
        )
        self._sessions: dict[UUID, ServedSession] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._ports = OpenPorts()
        self._group = asyncio.TaskGroup()
        self._redemption = Redemption(around.broker, self._group)

    async def serve(self, listening: Callable[[], None] = lambda: None) -> None:
        """Accept connections until cancelled. Raises `OSError` where it cannot listen."""
        async with self._group:
            try:
                listen = self._around.settings.listen
                await self._ports.open(listen, lambda: Leg(self._accepted))
                listening()
                await asyncio.Event().wait()
            finally:
                self.stop_listening()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, with the real ports."""
        return self._ports.addresses

    @property
    def live_sessions(self) -> tuple[UUID, ...]:
        """The sessions that go on now."""
        return tuple(self._sessions)

    def stop_listening(self) -> None:
        """Accept nobody new; sessions go on."""
        self._ports.close()

    def terminate(self, session_id: UUID, reason: EndReason, text: str) -> bool:
        """End a session; say whether it was there."""
        session = self._sessions.get(session_id)
        if session is None:
            return False
        session.end(reason, text)
        return True

    async def drain(self, text: str, limit_s: float) -> None:
        """Stop listening, and end what still goes on after `limit_s`."""
        self.stop_listening()
        if self._sessions:
            await asyncio.wait(self._running, timeout=max(0, limit_s))
        for session in list(self._sessions.values()):
            session.end(EndReason.ENGINE_STOPPED, text)
        for task in self._running - self._serving:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    # --- inside

    @property
    def _serving(self) -> set[asyncio.Task[None]]:
        """The tasks of sessions; the others still log in."""
        return {task for task in self._running if task.get_name() in self._session_names}

    @property
    def _session_names(self) -> set[str]:
        return {str(session_id) for session_id in self._sessions}

    def _accepted(self, leg: Leg) -> None:
        now_s = asyncio.get_running_loop().time()
        verdict = self._admission.admit(leg.peer_address, now_s, random.random())  # noqa: S311
        if isinstance(verdict, Refused):
            _log.info("connection.refused", source=leg.peer_address, why=verdict.reason.value)
            leg.abort()
            return
        task = self._group.create_task(self._connection(leg, verdict))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _connection(self, leg: Leg, ticket: Admitted) -> None:
        """Serve one connection; whatever it dies of ends here."""
        departure = Departure.CRASHED
        try:
            granted, departure = await self._logged_in(leg)
            if granted is not None:
                self._admission.authenticated(ticket)
                await self._serve_session(granted)
        except Exception:  # noqa: BLE001 - one session never takes another with it
            _log.exception("session.failed", source=leg.peer_address)
        finally:
            now_s = asyncio.get_running_loop().time()
            self._admission.left(ticket, departure, now_s)
            leg.abort()

    async def _logged_in(self, leg: Leg) -> tuple[Granted | None, Departure]:
        """Return the granted session, or none; and how the connection leaves."""
        login = Login(leg, self._keys, self._around, self._redemption)
        try:
            async with asyncio.timeout(self._around.settings.login_timeout_s):
                return await login.run(), Departure.DONE
        except TimeoutError:
            _log.info("login.timed_out", source=leg.peer_address)
            return None, Departure.GRACE_EXCEEDED
        except LoginRefusedError as error:
            _log.info("login.refused", source=leg.peer_address, why=str(error))
            await leg.close()
        except (RemoteProtocolError, LegClosedError) as error:
            _log.info("login.broken_off", source=leg.peer_address, why=str(error))
        return None, Departure.AUTH_FAILED if login.tried else Departure.NO_AUTH

    async def _serve_session(self, granted: Granted) -> None:
        session_id = granted.grant.session_id
        session = ServedSession(granted, self._around)
        self._sessions[session_id] = session
        task = asyncio.current_task()
        if task is not None:
            task.set_name(str(session_id))
        try:
            await session.run()
        finally:
            self._sessions.pop(session_id, None)
