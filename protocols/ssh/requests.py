"""Requests: what each leaves in the recording, and the global ones with their answers."""

from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import ANSWERS_LIMIT, Side
from protocols.ssh.packets import Message, Reader, body_of
from recorder.events import (
    ChannelRefused,
    ChannelRequested,
    CommandExited,
    CommandKilled,
    ForwardGranted,
    KnownEvent,
    RequestRefused,
    TerminalRequested,
    TerminalResized,
)

_SILENT: Final = frozenset(
    {
        *("eow@openssh.com", "keepalive@openssh.com", "xon-xoff"),
        *("simple@putty.projects.tartarus.org", "winadj@putty.projects.tartarus.org"),
    }
)
"""Requests that tell an auditor nothing."""


def refused_open(at_ms: int, request: packets.ChannelOpen, reason: str) -> ChannelRefused:
    """Return what a channel that was not opened leaves in the recording."""
    return ChannelRefused(at_ms=at_ms, kind=request.kind, detail=request.detail, reason=reason)


def refused_request(
    at_ms: int, channel: int, request: packets.ChannelRequest, reason: str
) -> RequestRefused:
    """Return what a request that must not pass leaves in the recording."""
    return RequestRefused(
        at_ms=at_ms,
        request=request.kind,
        detail=request.rest[:256].decode("utf-8", "replace"),
        reason=reason,
        channel=channel,
    )


def asked_events(at_ms: int, channel: int, request: packets.ChannelRequest) -> list[KnownEvent]:
    """Return what a request that passes leaves in the recording."""
    kind, fields = request.kind, Reader(request.rest)
    match kind:
        case "pty-req":
            asked = packets.Terminal.read(request.rest)
            event: KnownEvent = TerminalRequested(
                at_ms=at_ms,
                channel=channel,
                terminal=asked.terminal,
                columns=asked.columns,
                rows=asked.rows,
                modes=asked.modes,
            )
        case "window-change":
            columns, rows = fields.uint32(), fields.uint32()
            event = TerminalResized(at_ms=at_ms, channel=channel, columns=columns, rows=rows)
        case "exit-status":
            event = CommandExited(at_ms=at_ms, channel=channel, status=fields.uint32())
        case "exit-signal":
            name = fields.text()
            fields.boolean()
            event = CommandKilled(
                at_ms=at_ms, channel=channel, signal=name, message=fields.text()
            )
        case _ if kind in _SILENT:
            return []
        case _:
            event = ChannelRequested(
                at_ms=at_ms, channel=channel, request=kind, detail=_detail(kind, fields)
            )
    return [event]


def _detail(kind: str, fields: Reader) -> bytes:
    match kind:
        case "exec" | "subsystem" | "signal":
            return fields.string()
        case "env":
            return fields.string() + b"=" + fields.string()
        case "break":
            return str(fields.uint32()).encode()
        case _:
            # An X11 cookie or an agent's socket is nobody's business.
            return b""


class _Waiting(Struct, frozen=True):
    """A global request whose answer is due."""

    request: packets.GlobalRequest
    refused: bool = False
    ours: bool = False
    """Whether we asked in the side's name, so that the answer is for us."""


class GlobalAsks:
    """Global requests of both sides. RFC 4254 4: answers come in the order of requests."""

    def __init__(self, policy: ChannelPolicy) -> None:
        self._policy = policy
        self._waiting: tuple[list[_Waiting], list[_Waiting]] = ([], [])

    def ping(self) -> bytes:
        """Return the body of a request to the target that anybody has to answer."""
        request = packets.GlobalRequest("keepalive@openssh.com", want_reply=True, rest=b"")
        self._waiting[Side.CLIENT].append(_Waiting(request, ours=True))
        return body_of(request.write())

    def asked(
        self, side: Side, request: packets.GlobalRequest, at_ms: int
    ) -> tuple[bool, list[bytes], list[KnownEvent]]:
        """Return whether it passes, refusals that are due to `side`, and what is recorded."""
        judge = self._policy.target_asks_globally
        if side is Side.CLIENT:
            judge = self._policy.client_asks_globally
        refusal, waiting = judge(request.kind), self._waiting[side]
        if len(waiting) >= ANSWERS_LIMIT:
            raise RemoteProtocolError("too many requests wait for an answer")
        if request.want_reply:
            waiting.append(_Waiting(request, refused=refusal is not None))
        if refusal is None:
            return True, [], []
        events: list[KnownEvent] = []
        if side is Side.CLIENT:
            events.append(
                RequestRefused(
                    at_ms=at_ms, request=request.kind, detail=request.detail, reason=refusal
                )
            )
        return False, self._refusals(side), events

    def answered(
        self, side: Side, payload: bytes, at_ms: int
    ) -> tuple[list[bytes], list[KnownEvent]]:
        """Take the answer of `side`; return what is due to the other side, and recorded."""
        waiting = self._waiting[side.other]
        if not waiting:
            raise RemoteProtocolError("an answer that nobody asked for")
        answered = waiting.pop(0)
        if answered.ours:
            return self._refusals(side.other), []
        request = answered.request
        events: list[KnownEvent] = []
        if payload[0] == Message.REQUEST_SUCCESS and request.detail:
            events.append(
                ForwardGranted(at_ms=at_ms, request=request.kind, detail=request.detail)
            )
        return [body_of(payload), *self._refusals(side.other)], events

    def _refusals(self, side: Side) -> list[bytes]:
        waiting, due = self._waiting[side], []
        while waiting and waiting[0].refused:
            waiting.pop(0)
            due.append(body_of(packets.request_failure()))
        return due
