"""The SSH gateway: listens, admits, authenticates, and serves each session in its task.

The accept loop awaits nothing: admission is a look at some numbers, and everything that
takes time happens in the connection's own tasks. An exception in one session ends that
session and no other.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncssh
import structlog

from bus.contract import Grant, RedeemCredential
from bus.errors import BusError
from bus.own_account import LaunchWaits
from bus.proof import proof
from bus.sealed import Opener
from protocols.admission import Admission, Admitted, Departure, Refused
from protocols.errors import AccessDeniedError
from protocols.listening import OpenPorts
from protocols.redemption import Redemption
from protocols.ssh import algorithms
from protocols.ssh.accounts import AskedAccount, LaunchOrder, Place, Visitor
from protocols.ssh.auth import Entered, Redeemed
from protocols.ssh.legs import UserLeg
from protocols.ssh.own_login import Account, OwnLogon
from protocols.ssh.served_session import ServedSession, Surroundings
from protocols.ssh.serving import Terminal, chosen
from protocols.ssh.target import private_key
from protocols.ssh.terminal.pages import plain
from recorder.events import EndReason
from recorder.session_info import TargetProtocol

_TICK_S: Final = 0.1
"""How soon a typed line whose echo does not come is decided."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class SSHGateway:
    """Listens on every address of `[ssh] listen`."""

    def __init__(self, around: Surroundings, host_key_paths: Sequence[Path]) -> None:
        settings = around.settings
        self._around = around
        self._serving = chosen(settings)
        self._admission = Admission(
            settings.max_startups,
            settings.max_tries,
            penalties=settings.source_penalties,
            max_startups_per_source=settings.max_startups_per_source,
        )
        self._options = _options(host_key_paths, settings.login_timeout_s, self._new_login)
        self._sessions: dict[UUID, Terminal] = {}
        self._ticking: set[Terminal] = set()
        self._something_ticks = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._ports = OpenPorts()
        self._group = asyncio.TaskGroup()
        self._redemption = Redemption(around.broker, self._group)

    async def serve(self, listening: Callable[[], None] = lambda: None) -> None:
        """Accept connections until cancelled. Raises `OSError` where it cannot listen."""
        async with self._group:
            try:
                await self._ports.open(self._around.settings.listen, self._new_leg)
                listening()
                await self._tick()
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
        """End a session, telling its user `text`; say whether it was there."""
        session = self._sessions.get(session_id)
        if session is None:
            return False
        session.end(reason, text)
        return True

    def message(self, session_id: UUID, text: str) -> bool:
        """Show `text` to the user of a session; say whether it could be shown."""
        session = self._sessions.get(session_id)
        return session is not None and session.message(text)

    def pause(self, session_id: UUID, text: str, *, paused: bool) -> bool:
        """Let nothing cross a session, or let it cross again; say whether it was there."""
        session = self._sessions.get(session_id)
        return session is not None and session.pause(text, paused=paused)

    async def drain(self, text: str, limit_s: float) -> None:
        """Stop listening, tell every user, and end what still goes on after `limit_s`."""
        self.stop_listening()
        loop = asyncio.get_running_loop()
        until = loop.time() + limit_s
        for session in list(self._sessions.values()):
            session.message(text)
        if self._sessions:
            await asyncio.wait(self._running, timeout=max(0, until - loop.time()))
        for session in list(self._sessions.values()):
            session.end(EndReason.ENGINE_STOPPED, text)
        if self._running:
            await asyncio.wait(self._running)

    # --- connections: what `protocols.ssh.auth.Door` asks for

    def arrived(self, leg: UserLeg) -> Admitted | None:
        """Admit a connection, or turn it away."""
        loop = asyncio.get_running_loop()
        verdict = self._admission.admit(leg.peer_address, loop.time(), random.random())  # noqa: S311
        if isinstance(verdict, Refused):
            _log.info("connection.refused", source=leg.peer_address, why=verdict.reason.value)
            leg.refuse("Not allowed at this time")
            return None
        return verdict

    def failed(self, ticket: Admitted) -> bool:
        """Count a failed try; say whether another one is allowed."""
        return self._admission.failed(ticket)

    def left(self, ticket: Admitted, how: Departure) -> None:
        """Forget a connection that did not authenticate."""
        self._admission.left(ticket, how, asyncio.get_running_loop().time())

    async def redeem(self, leg: UserLeg, name: str, password: str, opener: Opener) -> Grant:
        """Ask control for a grant; raise `AccessDeniedError` or `BusUnavailableError`."""
        around = self._around
        request = RedeemCredential(
            engine_id=around.engine_id,
            site=around.site,
            protocol=TargetProtocol.SSH,
            username=name,
            password_proof=proof(name, password),
            client_address=leg.peer_address,
            seal_to=opener.public,
        )
        return await self._redemption.redeem(request)

    def abandoned(self, grant: Grant) -> None:
        """End a session whose client has left before it was served."""
        self._redemption.abandoned(grant)

    def account(self, leg: UserLeg) -> Account:
        """Return what judges those who come from there by their own name."""
        return AskedAccount(self._place(leg))

    def greeting(self) -> str:
        """Return what they are shown before they have logged on."""
        return self._around.settings.terminal_banner

    def completed(self, leg: UserLeg, ticket: Admitted, entered: Entered) -> None:
        """Serve the session that was granted, or whoever has logged on."""
        self._admission.authenticated(ticket)
        if isinstance(entered, Redeemed):
            self._spawn(self._guard(self._session(leg, entered)))
        else:
            self._spawn(self._receive(leg, entered))

    # --- inside

    def _place(self, leg: UserLeg) -> Place:
        around = self._around
        return Place(
            broker=around.broker,
            engine_id=around.engine_id,
            site=around.site,
            client_address=leg.peer_address,
        )

    def _session(self, leg: UserLeg, redeemed: Redeemed) -> ServedSession:
        session = ServedSession(leg, redeemed, self._around, self._serving, self._tick_soon)
        self._sessions[session.session_id] = session
        return session

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _receive(self, leg: UserLeg, logon: OwnLogon) -> None:
        """Serve somebody who has logged on with his own account."""
        visitor = Visitor(self._place(leg), logon)
        try:
            if logon.secret is None:
                await self._serve_terminal(leg, visitor)
            else:
                await self._serve_secret(leg, visitor, logon.username, logon.secret)
        except AccessDeniedError as error:
            _turn_away(leg, error.detail or "you may not")
        except BusError as error:
            _turn_away(leg, f"{error}; try again")

    async def _serve_secret(
        self, leg: UserLeg, visitor: Visitor, username: str, secret: str
    ) -> None:
        opener = Opener()
        granted = await visitor.launch(LaunchOrder(secret=secret), opener)
        if isinstance(granted, LaunchWaits):
            wants = "waits for approval" if granted.asked else "demands a reason"
            _turn_away(leg, f"{secret} {wants}: log on with your name alone, and launch it")
            return
        redeemed = Redeemed(username, granted, opener)
        await self._guard(self._session(leg, redeemed))

    async def _serve_terminal(self, leg: UserLeg, visitor: Visitor) -> None:
        async def serve(launched: UserLeg, redeemed: Redeemed) -> None:
            # It winds up by itself, even where the terminal is cancelled.
            session = self._session(launched, redeemed)
            await asyncio.shield(self._spawn(self._guard(session)))

        opened = await visitor.open_terminal()
        terminal = self._serving.new_terminal(leg, visitor, opened, self._around, serve)
        if terminal is None:
            _turn_away(leg, "no terminal here: name a secret behind your name, as alice%web01")
            return
        self._sessions[terminal.session_id] = terminal
        await self._guard(terminal)

    def _new_leg(self) -> asyncio.BaseProtocol:
        return self._serving.new_leg(self._options)

    def _new_login(self) -> asyncssh.SSHServer:
        return self._serving.new_login(self)

    async def _guard(self, session: Terminal) -> None:
        """Run a session; whatever it dies of ends here."""
        session_id = session.session_id
        try:
            await session.run()
        except Exception:  # noqa: BLE001 - one session never takes another with it
            _log.exception("session.failed", session_id=str(session_id))
        finally:
            self._sessions.pop(session_id, None)
            self._ticking.discard(session)

    def _tick_soon(self, session: Terminal) -> None:
        self._ticking.add(session)
        self._something_ticks.set()

    async def _tick(self) -> None:
        while True:
            await self._something_ticks.wait()
            await asyncio.sleep(_TICK_S)
            for session in list(self._ticking):
                if not session.tick():
                    self._ticking.discard(session)
            if not self._ticking:
                self._something_ticks.clear()


def _turn_away(leg: UserLeg, text: str) -> None:
    leg.leave(asyncssh.DISC_BY_APPLICATION, plain(f"proxyd: {text}"))


def _options(
    host_key_paths: Sequence[Path],
    login_timeout_s: float,
    new_login: Callable[[], asyncssh.SSHServer],
) -> asyncssh.SSHServerConnectionOptions:
    return asyncssh.SSHServerConnectionOptions(
        server_factory=new_login,
        server_host_keys=[private_key(path.read_bytes(), None) for path in host_key_paths],
        config=None,
        gss_host=None,
        login_timeout=login_timeout_s,
        keepalive_interval=0,
        kex_algs=list(algorithms.CLIENT_KEX),
        encryption_algs=list(algorithms.ALL_CIPHERS),
        mac_algs=list(algorithms.CLIENT_MACS),
        signature_algs=list(algorithms.SIGNATURES),
        compression_algs=None,
        public_key_auth=True,
        host_based_auth=False,
        agent_forwarding=False,
        x11_forwarding=False,
        server_version=algorithms.VERSION,
    )
