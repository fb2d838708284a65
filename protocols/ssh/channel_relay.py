"""The relay behind the packet relay: channel by channel, on asyncssh's public API but a limit.

It stands in where the packet relay cannot work, above all on the day a new asyncssh moves
a private name. It records the same events in the same order. asyncssh ends the channels of
one leg and opens others on the other leg, which costs five times the CPU, and some things
have no public way:

- `shell`, `exec` and `subsystem` are answered before the target is asked; where the target
  refuses, the user reads why and gets the status 255.
- Agent and X11 forwarding are refused, with an event.
- `eow@openssh.com` is not passed on: `ssh host yes | head` ends when the user ends it.
- Commands that are no UTF-8 and terminal names that are no ASCII are refused; an exit
  status is cut to 8 bits; requests that asyncssh does not know are answered with a failure
  and leave no event.
- The client's order of ciphers decides, and chacha20 is not offered: whether strict key
  exchange was agreed on, which it needs (CVE-2023-48795), cannot be asked.
- dropbear then needs MACs over the plain text, which are offered last; an RSA host key
  also signs with SHA-1 for a client that asks for it.
- A terminal that the target refuses ends the session instead of going on without one, and
  what OpenSSH hides behind ignored packets does not help to mask what is typed.
- Only wrong passwords count as failed tries; other methods end with the login's time limit.
- What may be run is not judged: secrets with a block list or a menu are refused.
- asyncssh ends a connection without waiting for a client that is slow to read its last
  words.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import asyncssh

from protocols.ssh.channel_pair import PACKET_BYTES, WINDOW_BYTES, Pair
from protocols.ssh.channel_session import OPEN_LIMIT_S, TargetSession, UserSession
from protocols.ssh.channels import Channel, Side, event_of
from protocols.ssh.commands.rules import Found
from protocols.ssh.legs import Owner, Rules
from protocols.ssh.packets import ChannelRequest
from protocols.ssh.requests import asked_events
from recorder.errors import RecordingLostError
from recorder.events import (
    ChannelOpened,
    ChannelRefused,
    ForwardGranted,
    KnownEvent,
    NoticeShown,
    RequestRefused,
    Stream,
)

_SIZES: dict[str, Any] = {"window": WINDOW_BYTES, "max_pktsize": PACKET_BYTES}
_DETAIL_BYTES = 256

Opening = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Opens a channel on a leg, with the factory of its session."""


class ChannelRelay:
    """The channels of one session, between two connections of asyncssh."""

    def __init__(
        self,
        client: asyncssh.SSHServerConnection,
        target: asyncssh.SSHClientConnection,
        rules: Rules,
        owner: Owner,
    ) -> None:
        self._client, self.target, self._owner = client, target, owner
        self._rules, self._sink = rules, rules.sink
        full = rules.terms.capture == "full"
        self._capture_limit = None if full else rules.limits.capture_bytes
        self._pairs: list[Pair] = []
        self._opening: list[str] = []
        self._opened = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self.active_ms = 0
        """When data last crossed, in session time."""

    # --- what a session asks for: `protocols.ssh.legs.Relay`

    @property
    def heard_ms(self) -> int:
        """Now: asyncssh itself ends the connection to a target that gives no sign of life."""
        return self._sink.at_ms()

    @property
    def wants_tick(self) -> bool:
        """Whether a typed line waits for its echo."""
        maskers = (pair.channel.masker for pair in self._pairs)
        return any(masker and masker.deadline_ms is not None for masker in maskers)

    def tick(self) -> None:
        """Let time pass; raise `RecordingLostError`."""
        at_ms, events = self._sink.at_ms(), list[KnownEvent]()
        for pair in self._pairs:
            if pair.channel.masker:
                events += pair.channel.masker.tick(at_ms)
        if events:
            self._sink.record(events)

    def notice(self, text: str) -> bool:
        """Show `text` to the user; say whether it could be. Raises `RecordingLostError`."""
        sessions = [pair for pair in self._pairs if pair.channel.kind == "session"]
        return [self._tell(pair, text) for pair in sessions].count(True) > 0

    def ping(self) -> None:
        """Do nothing: asyncssh asks a silent target itself."""

    def hold(self, *, held: bool) -> None:
        """Read from no channel, or from all again; one opened meanwhile is read."""
        for half in (half for pair in self._pairs for half in pair.halves):
            (half.pause if held else half.resume)("held")

    def resolve(self, channel: int, found: Found, *, approved: bool, said: str) -> None:
        """Do nothing: secrets with rules for commands are not served."""

    def holds(self, channel: int, found: Found) -> bool:
        """Say no: nothing waits here."""
        del channel, found
        return False

    def stop(self) -> None:
        """Open nothing more: the session ends."""
        for task in self._tasks:
            task.cancel()

    def finish(self) -> None:
        """Record how the channels that are still open ended; raise `RecordingLostError`."""
        at_ms, events = self._sink.at_ms(), list[KnownEvent]()
        for pair in self._pairs:
            events += pair.channel.close(at_ms)
        self._pairs = []
        if events:
            self._sink.record(events)

    # --- what its channels ask for

    @property
    def masks_typed(self) -> bool:
        """Whether what is typed without an echo is masked."""
        return self._rules.terms.mask_typed

    def carries(self, channel: Channel, stream: Stream, data: bytes) -> bool:
        """Record `data`; say whether it may be forwarded."""
        at_ms = self.active_ms = self._sink.at_ms()
        if channel.terminal:
            events = _seen(channel, stream, at_ms, data)
        else:
            events = self._captured(channel, stream, at_ms, data)
        if not self._record(events):
            return False
        sender = Side.CLIENT if stream is Stream.CLIENT else Side.TARGET
        self._rules.crossed_bytes[sender] += len(data)
        if channel.masker and channel.masker.deadline_ms is not None:
            self._owner.tick_soon()
        if self._sink.congested and not self._draining:
            self._draining = True
            self._owner.spawn(self._drain())
        return True

    def asked(self, side: Side, channel: Channel, request: ChannelRequest) -> bool:
        """Judge and record a request; say whether it passes."""
        refusal = None
        if side is Side.CLIENT:
            refusal = self._rules.policy.client_asks(request.kind, request.rest)
        if refusal is None:
            return self._record(asked_events(self._sink.at_ms(), channel.ident, request))
        detail = request.rest[:_DETAIL_BYTES].decode("utf-8", "replace")
        self._refuse(request.kind, detail, refusal, channel.ident)
        return False

    def refused(self, channel: Channel, kind: str, reason: str) -> None:
        """Record that the target did not do what was asked."""
        self._refuse(kind, "", reason, channel.ident)

    def tell(self, pair: Pair, text: str) -> bool:
        """Show `text` to the user; say whether it could be."""
        try:
            return self._tell(pair, text)
        except RecordingLostError as error:
            self._owner.lost(error)
            return False

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as part of the session."""
        task = self._owner.spawn(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def closed(self, pair: Pair) -> None:
        """Both halves of `pair` are gone."""
        if pair in self._pairs:
            self._pairs.remove(pair)
            self._record(pair.channel.close(self._sink.at_ms()))

    # --- what the client's connection asks for

    def session(self) -> UserSession:
        """Open a session channel; raise `ChannelOpenError` where it may not be."""
        self._judge_open("session", "", self._rules.policy.client_opens)
        pair = self._pair("session", "")
        user = UserSession(pair, self)
        pair.halves = user, TargetSession(pair, self)
        return user

    async def forwarded_tcp(self, host: str, port: int, origin: tuple[str, int]) -> Any:  # noqa: ANN401
        """Connect from the target to `host`; raise `ChannelOpenError` where it may not be."""
        return await self._forward(
            Side.CLIENT,
            "direct-tcpip",
            f"{host}:{port}",
            lambda make: self.target.create_connection(make, host, port, *origin, **_SIZES),
        )

    async def forwarded_unix(self, path: str) -> Any:  # noqa: ANN401 - a session of asyncssh
        """Connect from the target to a socket; raise `ChannelOpenError` where it may not be."""
        return await self._forward(
            Side.CLIENT,
            "direct-streamlocal@openssh.com",
            path,
            lambda make: self.target.create_unix_connection(make, path, **_SIZES),
        )

    async def listening_tcp(self, host: str, port: int) -> asyncssh.SSHListener | bool:
        """Listen on the target; False where it may not be."""

        def bound() -> int:
            return port or (listener.get_port() if listener else 0)

        def arrived(*origin: Any) -> Awaitable[Any]:  # noqa: ANN401 - host and port
            return self._forward(
                Side.TARGET,
                "forwarded-tcpip",
                f"{host}:{bound()}",
                lambda make: self._client.create_connection(
                    make, host, bound(), *origin, **_SIZES
                ),
            )

        async def listen() -> asyncssh.SSHListener:
            return await self.target.create_server(arrived, host, port, **_SIZES)

        listener = await self._listen("tcpip-forward", f"{host}:{port}", listen)
        return listener or False

    async def listening_unix(self, path: str) -> asyncssh.SSHListener | bool:
        """Listen on a socket of the target; False where it may not be."""

        def arrived() -> Awaitable[Any]:
            return self._forward(
                Side.TARGET,
                "forwarded-streamlocal@openssh.com",
                path,
                lambda make: self._client.create_unix_connection(make, path, **_SIZES),
            )

        async def listen() -> asyncssh.SSHListener:
            return await self.target.create_unix_server(arrived, path, **_SIZES)

        listener = await self._listen("streamlocal-forward@openssh.com", path, listen)
        return listener or False

    def cannot_forward(self, request: str) -> None:
        """Record that an agent or a screen stays at home."""
        refusal = self._rules.policy.client_asks(request, b"")
        self._refuse(request, "", refusal or "the channel relay cannot forward it", None)

    # --- inside

    def _record(self, events: list[KnownEvent]) -> bool:
        """Record, and say whether what was recorded may go on."""
        if self._owner.over:
            return False
        try:
            if events:
                self._sink.record(events)
        except RecordingLostError as error:
            self._owner.lost(error)
            return False
        return True

    def _captured(
        self, channel: Channel, stream: Stream, at_ms: int, data: bytes
    ) -> list[KnownEvent]:
        capture = channel.capture(stream, self._capture_limit)
        capture.digest(data)
        events = list[KnownEvent]()
        if ledger := channel.ledger:
            events += (ledger.client if stream is Stream.CLIENT else ledger.target)(at_ms, data)
        return events + capture.keep(at_ms, data)

    async def _drain(self) -> None:
        """Read nothing more until the recording has room again."""
        halves = [half for pair in self._pairs for half in pair.halves]
        for half in halves:
            half.pause("recording")
        try:
            await self._sink.drain()
        except RecordingLostError as error:
            self._owner.lost(error)
        finally:
            self._draining = False
            for half in halves:
                half.resume("recording")

    def _tell(self, pair: Pair, text: str) -> bool:
        if Side.CLIENT in pair.gone or not pair.halves[Side.CLIENT].started:
            return False
        ident, at_ms = pair.channel.ident, self._sink.at_ms()
        self._sink.record([NoticeShown(at_ms=at_ms, channel=ident, text=text)])
        stream = None if pair.channel.terminal else asyncssh.EXTENDED_DATA_STDERR
        line = f"\r\n{text}\r\n".encode()
        pair.halves[Side.CLIENT].do(lambda chan: chan.write(line, stream))
        return True

    def _refuse(self, kind: str, detail: str, reason: str, channel: int | None) -> None:
        at_ms = self._sink.at_ms()
        self._record(
            [
                RequestRefused(
                    at_ms=at_ms, request=kind, detail=detail, reason=reason, channel=channel
                )
            ]
        )

    def _pair(self, kind: str, detail: str) -> Pair:
        numbers = self._opened, self._opened
        pair = Pair(Channel(self._opened, kind, numbers, self._rules.terms.files_bytes), self)
        self._opened += 1
        at_ms, ident = self._sink.at_ms(), pair.channel.ident
        opened = ChannelOpened(at_ms=at_ms, channel=ident, kind=kind, detail=detail)
        if not self._record([opened]):
            reason = "the session is over"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, reason)
        self._pairs.append(pair)
        return pair

    def _judge_open(self, kind: str, detail: str, judge: Callable[[str], str | None]) -> None:
        refusal, code = judge(kind), asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
        standing = [pair.channel.kind for pair in self._pairs]
        if refusal is None and self._rules.limits.crowded(kind, self._opening, standing):
            refusal, code = "too many open channels", asyncssh.OPEN_RESOURCE_SHORTAGE
        if refusal is not None:
            self._not_opened(kind, detail, refusal)
            raise asyncssh.ChannelOpenError(code, f"proxyd: {refusal}")

    def _not_opened(self, kind: str, detail: str, reason: str) -> None:
        at_ms = self._sink.at_ms()
        self._record([ChannelRefused(at_ms=at_ms, kind=kind, detail=detail, reason=reason)])

    async def _forward(self, side: Side, kind: str, detail: str, opens: Opening) -> Any:  # noqa: ANN401
        """Open on the other leg what `side` opens; return the session for this one."""
        policy = self._rules.policy
        judge = policy.client_opens if side is Side.CLIENT else policy.target_opens
        self._judge_open(kind, detail, judge)
        made: list[Pair] = []

        def make() -> Any:  # noqa: ANN401 - a session of asyncssh
            made.append(self._pair(kind, detail))
            return made[0].halves[side.other]

        self._opening.append(kind)
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                await opens(make)
        except asyncssh.ChannelOpenError as error:
            self._not_opened(kind, detail, error.reason)
            raise
        except TimeoutError:
            self._not_opened(kind, detail, "no answer in time")
            code = asyncssh.OPEN_CONNECT_FAILED
            raise asyncssh.ChannelOpenError(code, "no answer in time") from None
        finally:
            self._opening.remove(kind)
        return made[0].halves[side]

    async def _listen(
        self, kind: str, detail: str, listens: Callable[[], Awaitable[asyncssh.SSHListener]]
    ) -> asyncssh.SSHListener | None:
        if refusal := self._rules.policy.client_asks_globally(kind):
            self._refuse(kind, detail, refusal, None)
            return None
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                listener = await listens()
        except (asyncssh.ChannelListenError, TimeoutError):
            return None
        at_ms = self._sink.at_ms()
        granted = ForwardGranted(at_ms=at_ms, request=kind, detail=detail)
        return listener if self._record([granted]) else None


def _seen(channel: Channel, stream: Stream, at_ms: int, data: bytes) -> list[KnownEvent]:
    """Return what is recorded of a terminal."""
    masker = channel.masker
    if stream is Stream.CLIENT and masker:
        return masker.typed(at_ms, data)
    events: list[KnownEvent] = [event_of(stream, at_ms, channel.ident, data)]
    return events + masker.shown(at_ms, data) if masker else events
