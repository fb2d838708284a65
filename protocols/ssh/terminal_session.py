"""Somebody who has logged on without a target: the terminal, and the sessions begun from it.

The terminal is a session of its own, recorded like any other. What is launched from it is
another one, on the same channel, with a recording of its own.
"""

import asyncio
import contextlib
from typing import Final
from uuid import UUID

import asyncssh
import structlog

from bus.own_account import TerminalOpened
from protocols.errors import RemoteProtocolError
from protocols.ssh.accounts import Visitor
from protocols.ssh.auth import Redeemed
from protocols.ssh.client_leg import ClientLeg
from protocols.ssh.launched_leg import LaunchedLeg
from protocols.ssh.served_session import Ending, Surroundings
from protocols.ssh.serving import Serve
from protocols.ssh.terminal.graft import Graft
from protocols.ssh.terminal.hosted_channel import ChannelHost, HostedChannel
from protocols.ssh.terminal.pages import plain
from protocols.ssh.terminal_desk import LOST, Desk
from protocols.ssh.terminal_screen import Screen
from recorder.errors import RecordingLostError
from recorder.events import CommandExited, EndReason, KnownEvent, NoticeShown
from recorder.ports import EventSink
from recorder.session_info import SessionInfo, Target, TargetProtocol

TERMINAL: Final = "(terminal)"
"""What stands for the secret in the recording; no secret is so named."""
_RESET: Final = "\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?1000l\x1b[?2004l\x1b>\x1b[m"
"""Leaves whatever a target that went away has left a terminal in: alternate screen, mouse."""
_UNWIND_S: Final = 5.0
"""How long a launched session may take to end when the terminal does."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class TerminalSession:
    """One connection's."""

    def __init__(
        self,
        leg: ClientLeg,
        visitor: Visitor,
        opened: TerminalOpened,
        around: Surroundings,
        serve: Serve,
    ) -> None:
        self.session_id: UUID = opened.session_id
        self._leg, self._visitor, self._opened = leg, visitor, opened
        self._around, self._serve = around, serve
        self._host = ChannelHost()
        self._changed = asyncio.Event()
        self._launched: LaunchedLeg | None = None
        self._back = asyncio.Event()
        """Set while nothing that was launched goes on."""
        self._sink: EventSink | None = None
        self._screen: Screen | None = None
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def end(self, reason: EndReason, text: str) -> None:
        """End the terminal, and what was launched from it."""
        if not self._ending.done():
            self._ending.set_result(Ending(reason, text))

    def message(self, text: str) -> bool:
        """Show a line; say whether it could be."""
        if self._screen is None or self._launched or self._sink is None:
            return False
        try:
            self._notice(self._sink, self._screen, text)
        except RecordingLostError as error:
            self._lost(error)
            return False
        return True

    def pause(self, text: str, *, paused: bool) -> bool:
        """Hold nothing: what is launched from it is held by itself."""
        del text, paused
        return False

    def tick(self) -> bool:
        """Let time pass: nothing waits for it."""
        return False

    async def run(self) -> None:
        """Serve until it is over. Raises nothing that a peer can cause."""
        self._leg.on_closed = self._closed
        try:
            self._sink = await self._around.recorders.start(self._info())
        except RecordingLostError as error:
            await self._refuse_unrecorded(error)
            return
        log = _log.bind(session_id=str(self.session_id), user=self._visitor.user)
        log.info("terminal.opened")
        self._leg.take_over(self._receive, None)
        ending = Ending(EndReason.ENGINE_STOPPED, "proxyd is stopping")
        try:
            ending = await self._served(self._sink)
        finally:
            self._leave(ending)
            await self._sink.close(ending.reason, ending.text)
            log.info("terminal.ended", reason=ending.reason.value)

    # --- the steps

    async def _served(self, sink: EventSink) -> Ending:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self._converse(sink))
            ending = await self._ending
            if self._launched:
                self._launched.closed(None)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_UNWIND_S):
                        await self._back.wait()
            serving.cancel()
        return ending

    async def _converse(self, sink: EventSink) -> None:
        while True:
            channel = self._host.channel
            if channel is None or not channel.begun or channel.finished:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                status = await self._talk(channel, sink)
            except RecordingLostError as error:
                self._lost(error)
                return
            self._finish(channel, status, sink)

    async def _talk(self, channel: HostedChannel, sink: EventSink) -> int:
        settings = self._around.settings
        idle_s = settings.terminal_idle_timeout_s
        screen = self._screen = Screen(self._leg, channel, sink, self._changed, idle_s)

        async def launch(redeemed: Redeemed, lasts: bool, command: str | None) -> int:  # noqa: FBT001 - a callback's
            return await self._launch(screen, redeemed, lasts=lasts, command=command)

        desk = Desk(screen, self._visitor, self._around.site, launch)
        try:
            if channel.command is not None:
                return await desk.run(channel.command)
            return await desk.converse(settings.terminal_motd)
        except TimeoutError:
            text = f"proxyd: nothing was typed for {idle_s:g} s"
            self._notice(sink, screen, text)
            self.end(EndReason.IDLE, text)
            return LOST
        finally:
            self._screen = None

    async def _launch(
        self, screen: Screen, redeemed: Redeemed, *, lasts: bool, command: str | None
    ) -> int:
        """Serve a session on the channel of `screen`, to its end; return its status."""
        channel, host = screen.channel, self._host
        if channel.left:
            return LOST
        grant = redeemed.grant
        text = f"launched {grant.secret_name}: session {grant.session_id}"
        notice = NoticeShown(at_ms=self._at_ms(), channel=channel.ident, text=text)
        self._record([notice])
        graft = Graft(channel, lasts=lasts, command=command)
        host.grafted = True
        leg = self._launched = LaunchedLeg(self._leg, graft)
        self._back.clear()
        try:
            await self._serve(leg, redeemed)
        finally:
            host.grafted = False
            self._launched = None
            graft.give_back()
            self._back.set()
        if channel.closed:
            host.drop()
        elif not graft.over:
            # It went away, and has left the screen as it was.
            screen.write(_RESET if screen.interactive and leg.related else "")
            screen.say(*([] if leg.related else [plain(leg.farewell)]))
        if graft.refusal:
            screen.say(plain(f"proxyd: {graft.refusal}"))
        return LOST if graft.status is None else graft.status

    def _finish(self, channel: HostedChannel, status: int, sink: EventSink) -> None:
        """Close the channel, unless the target's end has done so."""
        if channel.finished:
            return
        event = CommandExited(at_ms=sink.at_ms(), channel=channel.ident, status=status & 0xFF)
        self._record([event])
        self._leg.send_bodies(self._host.finish(status & 0xFF))

    # --- what the client sends

    def _receive(self, bodies: list[bytes]) -> None:
        if self._ending.done():
            return
        heard = self._host.receive(bodies, self._at_ms())
        self._record(heard.events)
        if heard.answers:
            self._leg.answer(heard.answers)
        launched, channel = self._launched, self._host.channel
        if heard.passed and launched:
            launched.from_client(heard.passed)
            if channel and channel.left and not launched.related:
                launched.closed(None)
        if heard.changed or heard.passed:
            self._changed.set()

    # --- inside

    def _at_ms(self) -> int:
        return self._sink.at_ms() if self._sink else 0

    def _record(self, events: list[KnownEvent]) -> None:
        if not events or self._sink is None:
            return
        try:
            self._sink.record(events)
        except RecordingLostError as error:
            self._lost(error)

    def _lost(self, error: RecordingLostError) -> None:
        text = f"proxyd: this terminal can no longer be recorded, so it ends ({error})"
        self.end(EndReason.RECORDING_LOST, text)

    def _closed(self, error: Exception | None) -> None:
        if isinstance(error, RemoteProtocolError):
            self.end(EndReason.PROTOCOL_ERROR, f"the client: {error}")
        self.end(EndReason.CLIENT_LEFT, "")
        if self._launched:
            self._launched.closed(error)

    def _notice(self, sink: EventSink, screen: Screen, text: str) -> None:
        shown = plain(text)
        at_ms = sink.at_ms()
        sink.record([NoticeShown(at_ms=at_ms, channel=screen.channel.ident, text=shown)])
        screen.say("", shown)

    def _leave(self, ending: Ending) -> None:
        text = plain(ending.text)
        self._leg.leave(asyncssh.DISC_BY_APPLICATION, text)

    async def _refuse_unrecorded(self, error: RecordingLostError) -> None:
        text = f"proxyd: this terminal cannot be recorded, so it is refused: {error}"
        _log.error("terminal.refused", session_id=str(self.session_id), error=str(error))
        self._leg.leave(asyncssh.DISC_BY_APPLICATION, plain(text))

    def _info(self) -> SessionInfo:
        around = self._around
        host, _, port = around.settings.listen[0].rpartition(":")
        return SessionInfo(
            session_id=self.session_id,
            user=self._visitor.user,
            secret_name=TERMINAL,
            target=Target(host=host, port=max(1, int(port)), protocol=TargetProtocol.SSH),
            site=around.site,
            engine_id=around.engine_id,
            client_address=self._leg.peer_address,
            terms=self._opened.terms,
            started_at=around.clock.now(),
        )
