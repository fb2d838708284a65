"""The packet relay of a secret that says what may be run or copied: it is judged on its way.

Everything is recorded as it comes; what goes on to the target may come later, or not at all.
Sessions of other secrets have `PacketRelay` itself, and pay nothing.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from bus.command_rules import CommandControl, RuleAction
from bus.menu import MenuError, command, find
from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.becoming import Become, Becoming, State
from protocols.ssh.channels import Answer, Channel, Guarding, Limits, Out, Side
from protocols.ssh.commands.guard import Guard
from protocols.ssh.commands.piped_guard import PipedGuard
from protocols.ssh.commands.rules import Found
from protocols.ssh.commands.waiting import Waiting, cut
from protocols.ssh.guarded_policy import GuardedPolicy
from protocols.ssh.packets import Message, Reader, body_of, payload_of
from protocols.ssh.terminal.words import WordsError, split
from protocols.ssh.withholding_relay import WithholdingRelay, parts
from recorder.events import Became, CommandMatched, RequestRefused
from recorder.ports import EventSink
from recorder.session_info import RecordingTerms

_DATA, _EOF = int(Message.CHANNEL_DATA), int(Message.CHANNEL_EOF)
_REQUEST, _CLOSE = int(Message.CHANNEL_REQUEST), int(Message.CHANNEL_CLOSE)
_ADJUST = int(Message.CHANNEL_WINDOW_ADJUST)
_ERROR_DATA = int(Message.CHANNEL_EXTENDED_DATA)
_STARTS: Final = frozenset({"shell", "exec", "subsystem"})
_TOLD: Final = {
    RuleAction.NOTICE: "{}",
    RuleAction.HOLD: (
        "this waits until somebody else approves it, for an hour at most; control-C gives it up"
    ),
}


class GuardedRelay(WithholdingRelay):
    """The channels of one session, between its two legs, and what may be run on them."""

    def __init__(
        self,
        policy: GuardedPolicy,
        control: CommandControl,
        terms: RecordingTerms,
        limits: Limits,
        sink: EventSink,
        become: Become | None = None,
    ) -> None:
        super().__init__(policy, terms, limits, sink)
        self._become = become
        self._guarded, self._menu = policy, control.menu
        self._found: list[tuple[int, Found]] = []
        self._complaint = ""
        """Why what was asked for last is not on the menu."""

    def receive(self, side: Side, bodies: list[bytes]) -> Out:
        """Take what `side` sent; return what to send, once what was typed is judged."""
        self._at_ms = self._sink.at_ms()
        if side is Side.TARGET:
            late, bodies = Out(), self._paid_back(self._unless_shut(side, bodies))
            if self._become:
                bodies = [each for body in bodies for each in self._veiled(body, late)]
            out = super().receive(side, bodies)
            for body in bodies:
                if body[1] == _DATA:
                    self._shown(body)
            out.add(late)
        else:
            if any(body[1] == _ERROR_DATA for body in bodies):
                # Some targets take it for input, and nothing would have judged it.
                raise RemoteProtocolError("standard error from a client")
            out = Out()
            for part in parts(bodies):
                heard = [self._as_run(body) for body in self._unless_waiting(part, out)]
                taken = super().receive(side, heard)
                passed = [each for body in taken.to[Side.TARGET] for each in self._judged(body)]
                taken.to[Side.TARGET][:] = passed
                out.add(taken)
        self._collect(out)
        return out

    def judge(self) -> bool:
        """Decide about what was typed; say whether time decides about anything."""
        return super().judge() or self._guards_wait

    @property
    def wants_tick(self) -> bool:
        """Whether a typed line waits for its echo."""
        return super().wants_tick or self._guards_wait

    def pass_time(self) -> Out:
        """Let time pass; return what is to be sent now."""
        super().tick()
        out = Out()
        for channel in self._channels[Side.CLIENT].values():
            if channel.guard:
                channel.guard.tick(self._at_ms)
            if channel.becoming:
                channel.becoming.tick(self._at_ms)
        self._collect(out)
        return out

    def resolve(self, channel: int, found: Found, *, approved: bool, said: str) -> Out:
        """Let what waits on a channel run, or not; return what is to be sent now."""
        self._at_ms = self._sink.at_ms()
        out = Out()
        each = self._holder(channel, found)
        if each and each.waiting and approved:
            self._approve(each, each.waiting, out)
        elif each and each.waiting:
            self._refuse(each, each.waiting, f"not run: {said}", out)
        elif each and each.guard:
            each.guard.resolve(self._at_ms, approved=approved)
            if not approved:
                out.to[Side.CLIENT].extend(self._notice_on(each, f"proxyd: not run: {said}"))
        self._collect(out)
        return out

    def holds(self, channel: int, found: Found) -> bool:
        """Say whether that command, and no later one, still waits for approval there."""
        return self._holder(channel, found) is not None

    def take_found(self) -> list[tuple[int, Found]]:
        """Return what broke a rule, with its channel, since this was asked last."""
        found, self._found = self._found, []
        return found

    # --- inside

    def _holder(self, channel: int, found: Found) -> Channel | None:
        for each in self._channels[Side.CLIENT].values():
            held = each.guard.held if each.guard else None
            if each.waiting and not each.waiting.asked:
                held = each.waiting.found
            if each.ident == channel and held is found and not each.closed_by:
                return each
        return None

    @property
    def _guards_wait(self) -> bool:
        channels = self._channels[Side.CLIENT].values()
        return any(
            (each.guard is not None and each.guard.waits)
            or (each.becoming is not None and each.becoming.under_way)
            for each in channels
        )

    def _asked(self, side: Side, payload: bytes, out: Out) -> bool:
        before, shown = len(self._events), len(out.to[Side.CLIENT])
        request = packets.ChannelRequest.read(payload)
        channel = self._channel(side, packets.uint32(request.recipient))
        self._guarded.terminal, self._guarded.begun = channel.terminal, channel.begun
        passes = super()._asked(side, payload, out)
        found, self._guarded.found = self._guarded.found, []
        if found and channel.waiting:
            self._lend_room(channel, channel.waiting, out)
            self._tell(channel, channel.waiting.found, out)
            return False
        for each in found:
            # What a rule would hold was refused for another reason.
            self._take(channel, each.unheld)
        if not passes and side is Side.CLIENT and request.kind in _STARTS:
            refused = [one for one in self._events[before:] if isinstance(one, RequestRefused)]
            del out.to[Side.CLIENT][shown:]
            self._shut(channel, request, self._complaint or refused[0].reason, out)
        self._complaint = ""
        return passes

    def _granted(self, side: Side, channel: Channel, request: packets.ChannelRequest) -> bool:
        held = [each for each in self._guarded.found if each.action is RuleAction.HOLD]
        if held:
            channel.waiting = Waiting(held[0], request)
            return False
        return super()._granted(side, channel, request)

    def _answered(self, side: Side, payload: bytes, out: Out) -> bool:
        passes = super()._answered(side, payload, out)
        channel = self._channel(side, payload[1:5])
        if channel.terminal_granted and isinstance(channel.guard, Guard):
            channel.guard.granted()
        return passes

    def _note(self, channel: Channel, request: packets.ChannelRequest) -> Answer:
        rules, transfers = self._guarded.rules, self._guarded.transfers
        match request.kind:
            case "pty-req" if rules.any and channel.guard is None:
                columns = packets.Terminal.read(request.rest).columns
                channel.guard = Guard(rules, columns)
            case "shell" if rules.any and channel.guard is None:
                channel.guard = PipedGuard(rules)
            case "exec" if self._become:
                channel.becoming = Becoming(self._become, self._at_ms)
            case "exec" | "subsystem" if transfers.any:
                detail = Reader(request.rest).text()
                channel.guard = transfers.gate(request.kind, detail) or channel.guard
            case "window-change" if channel.guard:
                channel.guard.resize(Reader(request.rest).uint32())
        channel.begun |= request.kind in _STARTS
        return super()._note(channel, request)

    def _as_run(self, body: bytes) -> bytes:
        """Return a packet as it is to be: in place of what was asked for, what is run."""
        if body[1] != _REQUEST or not (self._menu or self._become):
            return body
        request = packets.ChannelRequest.read(payload_of(body))
        if self._become and request.kind == "shell":
            return _execute(request, self._become.command)
        if self._become and request.kind == "pty-req":
            # A password is typed on it: a key that interrupts, or erases, would tell of each
            # session whether that is in it.
            rest = packets.Terminal.read(request.rest).without_keys().write()
            return body_of(structs.replace(request, rest=rest).write())
        if request.kind != "exec" or self._become:
            return body
        try:
            words = [word.text for word in split(Reader(request.rest).text())]
            run = command(find(self._menu, words[0] if words else ""), words[1:])
        except (MenuError, WordsError) as error:
            self._complaint = str(error)
            return body
        self._guarded.permitted = run.encode()
        return _execute(request, run)

    def _shown(self, body: bytes) -> None:
        channel = self._channels[Side.CLIENT].get(body[2:6])
        if channel and channel.guard:
            channel.guard.shown(self._at_ms, Reader(body, 6).string())

    def _judged(self, body: bytes) -> Iterator[bytes]:
        """Give what goes on of a packet of the client, and what it lets go before it."""
        kind = body[1]
        channel = self._channels[Side.TARGET].get(body[2:6]) if kind in (_DATA, _EOF) else None
        guard = channel.guard if channel else None
        if channel is None or guard is None or not channel.begun:
            if channel and channel.kind == "session" and not channel.begun and kind == _DATA:
                # Some targets keep it for the shell that is to come, and nothing has judged it.
                raise RemoteProtocolError("data before anything was started that could take it")
            if not (channel and self._waits_to_become(channel, body)):
                yield body
        elif self._waits_to_become(channel, body):
            return
        elif channel.ended:
            raise RemoteProtocolError("more was sent behind the end of it")
        elif kind == _DATA:
            data = Reader(body, 6).string()
            guard.typed(self._at_ms, data)
            due = guard.take()
            # What is let go as it came, is sent as it came.
            yield from [body] if due == data else cut(channel.numbers[Side.TARGET], due)
        else:
            channel.ended = channel.end_waits = True
            yield from self._due(channel, guard)

    def _due(self, channel: Channel, guard: Guarding) -> list[bytes]:
        """Return what may go on by now; the end of it only behind all that waits."""
        if channel.end_waits:
            guard.finish(self._at_ms)
        number = channel.numbers[Side.TARGET]
        due = cut(number, guard.take())
        if channel.end_waits and guard.held is None and not guard.waits:
            channel.end_waits = False
            due.append(body_of(packets.channel_eof(number)))
        return due

    def _collect(self, out: Out) -> None:
        """Take what the guards have decided: recorded first, then sent and told."""
        for channel in self._channels[Side.CLIENT].values():
            if kept := self._take_kept(channel):
                out.add(self.receive(Side.CLIENT, kept))
            if channel.becoming:
                self._follow_becoming(channel, channel.becoming, out)
            guard = channel.guard
            if guard is None:
                continue
            # Judging the last line may find something as well.
            due = [] if Side.CLIENT in channel.closed_by else self._due(channel, guard)
            found, guard.found = guard.found, []
            for each in found:
                self._tell(channel, each, out)
            if answer := guard.take_answer():
                out.to[Side.CLIENT].extend(self._answer_on(channel, answer))
            out.to[Side.TARGET].extend(due)
            credit_bytes, guard.swallowed_bytes = guard.swallowed_bytes, 0
            if credit_bytes:
                # The target will never grant anew what it never got.
                credit = packets.window_adjust(channel.numbers[Side.CLIENT], credit_bytes)
                out.to[Side.CLIENT].append(body_of(credit))
        self._record()

    def _veiled(self, body: bytes, late: Out) -> Iterator[bytes]:
        """Give what the user may have of a packet of the target, while he becomes another."""
        kind = body[1]
        channel = self._channels[Side.CLIENT].get(body[2:6]) if kind >= _ADJUST else None
        becoming = channel.becoming if channel else None
        if channel and channel.shut:
            yield from [body] if kind == _CLOSE else []
        elif channel is None or becoming is None:
            yield body
        elif kind == _DATA:
            data = Reader(body, 6).string()
            shown = becoming.shown(self._at_ms, data)
            yield from [body] if shown == data else cut(channel.numbers[Side.CLIENT], shown)
        elif kind == _ADJUST and becoming.owed_bytes:
            size_bytes = Reader(body, 6).uint32()
            withheld_bytes = min(becoming.owed_bytes, size_bytes)
            becoming.owed_bytes -= withheld_bytes
            if left_bytes := size_bytes - withheld_bytes:
                number = channel.numbers[Side.CLIENT]
                yield body_of(packets.window_adjust(number, left_bytes))
        elif becoming.under_way and _ends(body):
            becoming.ended()
            self._end(channel, becoming.reason, late)
            if kind == _CLOSE:
                yield body
        else:
            yield body

    def _waits_to_become(self, channel: Channel, body: bytes) -> bool:
        """Keep what the user sends until he has become the other; say whether it was kept."""
        becoming = channel.becoming
        if becoming is None or not becoming.under_way:
            return channel.shut
        if body[1] == _EOF:
            becoming.finished = True
        else:
            becoming.typed(Reader(body, 6).string())
        return True

    def _follow_becoming(self, channel: Channel, becoming: Becoming, out: Out) -> None:
        out.to[Side.TARGET].extend(cut(channel.numbers[Side.TARGET], becoming.take_due()))
        if becoming.state is State.FAILED:
            self._end(channel, becoming.reason, out)
        if becoming.state is not State.BECAME or becoming.told or self._become is None:
            return
        becoming.told = True
        account, method = self._become.account, self._become.command
        self._events.append(
            Became(at_ms=self._at_ms, channel=channel.ident, account=account, method=method)
        )
        number = channel.numbers[Side.TARGET]
        kept = cut(number, becoming.take_typed())
        kept += [body_of(packets.channel_eof(number))] if becoming.finished else []
        out.to[Side.TARGET].extend(each for body in kept for each in self._judged(body))

    def _answer_on(self, channel: Channel, answer: bytes) -> list[bytes]:
        """Answer the client in the target's name; the ledger takes it for the target's."""
        if channel.spend(answer) != answer:
            raise RemoteProtocolError("no room for an answer to a refused file")
        if channel.ledger:
            self._events += channel.ledger.target(self._at_ms, answer)
        return [body_of(packets.channel_data(channel.numbers[Side.CLIENT], answer))]

    def _tell(self, channel: Channel, found: Found, out: Out) -> None:
        self._take(channel, found)
        if text := _TOLD.get(found.action):
            text = f"proxyd: {text.format(found.refusal)}"
            out.to[Side.CLIENT].extend(self._notice_on(channel, text))

    def _take(self, channel: Channel, found: Found) -> None:
        self._found.append((channel.ident, found))
        for rule in found.rules:
            self._events.append(
                CommandMatched(
                    at_ms=self._at_ms,
                    channel=channel.ident,
                    rule=rule.name,
                    action=rule.action,
                    outcome=found.outcome,
                    command=found.command,
                )
            )


def _execute(asked: packets.ChannelRequest, command: str) -> bytes:
    """Return the body that asks for `command` in place of what was asked for."""
    rest = packets.string(command.encode())
    return body_of(
        packets.ChannelRequest(asked.recipient, "exec", asked.want_reply, rest).write()
    )


def _ends(body: bytes) -> bool:
    """Say whether the target has ended what ran on a channel."""
    if body[1] != _REQUEST:
        return body[1] in {_EOF, _CLOSE}
    kind = packets.ChannelRequest.read(payload_of(body)).kind
    return kind in {"exit-status", "exit-signal"}
