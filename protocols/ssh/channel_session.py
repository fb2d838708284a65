"""A session channel on the channel relay: what its client asks for, and how it ends."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol

import asyncssh

from protocols.ssh.channel_pair import PACKET_BYTES, WINDOW_BYTES, Half, Pair
from protocols.ssh.channels import Channel, Side
from protocols.ssh.files import ledger_for
from protocols.ssh.packets import ChannelRequest, string, uint32
from recorder.masking import Masker

OPEN_LIMIT_S: Final = 30
"""How long the target may take to open a channel and start what runs on it."""
_LOST_STATUS: Final = 255
"""What OpenSSH reports where a command could not be started."""
_NO_MODES: Final = b"\0"

TerminalSize = tuple[int, int, int, int]


class Asking(Protocol):
    """What a session channel asks of its relay."""

    @property
    def target(self) -> asyncssh.SSHClientConnection:
        """The connection to the target."""
        ...

    @property
    def masks_typed(self) -> bool:
        """Whether what is typed without an echo is masked."""
        ...

    def asked(self, side: Side, channel: Channel, request: ChannelRequest) -> bool:
        """Judge and record a request; say whether it passes."""
        ...

    def refused(self, channel: Channel, kind: str, reason: str) -> None:
        """Record that the target did not do what was asked."""
        ...

    def tell(self, pair: Pair, text: str) -> bool:
        """Show `text` to the user; say whether it could be."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as part of the session."""
        ...


class TargetSession(Half, asyncssh.SSHClientSession[bytes]):
    """The target's end."""

    def __init__(self, pair: Pair, relay: Asking) -> None:
        super().__init__(pair, Side.TARGET)
        self._relay = relay

    def eof_received(self) -> bool:
        """Pass the end on, where a user would not take it for the end of everything.

        PuTTY closes a channel as soon as neither side has more to say; asyncssh answers that
        at once, and the status that was yet to come would be lost. So it comes first.
        """
        return True if self.peer.said_all else super().eof_received()

    def exit_status_received(self, status: int) -> None:
        """Record the status; it is passed on once all output is."""
        request = ChannelRequest(0, "exit-status", want_reply=False, rest=uint32(status))
        if self._relay.asked(Side.TARGET, self.pair.channel, request):
            self.pair.ended = lambda chan: chan.exit(status)

    def exit_signal_received(
        self,
        signal: str,
        core_dumped: bool,  # noqa: FBT001 - asyncssh's own
        msg: str,
        lang: str,
    ) -> None:
        """Record the signal; it is passed on once all output is."""
        flag = bytes((core_dumped,))
        rest = string(signal.encode()) + flag + string(msg.encode()) + string(lang.encode())
        request = ChannelRequest(0, "exit-signal", want_reply=False, rest=rest)
        if self._relay.asked(Side.TARGET, self.pair.channel, request):
            self.pair.ended = lambda chan: chan.exit_with_signal(signal, core_dumped, msg, lang)


class UserSession(Half, asyncssh.SSHServerSession[bytes]):
    """The user's end."""

    def __init__(self, pair: Pair, relay: Asking) -> None:
        super().__init__(pair, Side.CLIENT)
        self._relay = relay
        self._terminal: dict[str, Any] = {"request_pty": False}

    def pty_requested(
        self, term_type: str, term_size: TerminalSize, term_modes: Mapping[int, int]
    ) -> bool:
        """Remember the terminal: asyncssh asks the target for it along with the shell."""
        modes = b"".join(bytes((mode,)) + uint32(value) for mode, value in term_modes.items())
        size = b"".join(map(uint32, term_size))
        rest = string(term_type.encode()) + size + string(modes + _NO_MODES)
        if not self._asked("pty-req", rest):
            return False
        channel = self.pair.channel
        channel.terminal = True
        if self._relay.masks_typed:
            channel.masker = Masker(channel.ident)
        self._terminal = {
            "request_pty": "force",
            "term_type": term_type,
            "term_size": term_size,
            "term_modes": dict(term_modes),
        }
        return True

    def shell_requested(self) -> bool:
        """Start a shell on the target."""
        return self._start("shell", b"", {})

    def exec_requested(self, command: str) -> bool:
        """Run a command on the target."""
        return self._start("exec", command.encode(), {"command": command})

    def subsystem_requested(self, subsystem: str) -> bool:
        """Start a subsystem on the target."""
        return self._start("subsystem", subsystem.encode(), {"subsystem": subsystem})

    def terminal_size_changed(
        self, width: int, height: int, pixwidth: int, pixheight: int
    ) -> None:
        """Pass on the terminal's new size."""
        size = width, height, pixwidth, pixheight
        if self._asked("window-change", b"".join(map(uint32, size))):
            self.peer.do(lambda chan: chan.change_terminal_size(*size))

    def signal_received(self, signal: str) -> None:
        """Pass on a signal."""
        if self._asked("signal", string(signal.encode())):
            self.peer.do(lambda chan: chan.send_signal(signal))

    def break_received(self, msec: int) -> bool:
        """Pass on a break."""
        passes = self._asked("break", uint32(msec))
        if passes:
            self.peer.do(lambda chan: chan.send_break(msec))
        return passes

    def _asked(self, kind: str, rest: bytes) -> bool:
        request = ChannelRequest(0, kind, want_reply=True, rest=rest)
        return self._relay.asked(Side.CLIENT, self.pair.channel, request)

    def _start(self, kind: str, detail: bytes, what: dict[str, str]) -> bool:
        env = dict(self.chan.get_environment_bytes())
        for name, value in env.items():
            self._asked("env", string(name) + string(value))
        if not self._asked(kind, string(detail) if what else b""):
            return False
        channel = self.pair.channel
        if not channel.terminal:
            channel.ledger = ledger_for(kind, detail, channel.ident)
        self._relay.spawn(self._open(kind, env, what))
        return True

    async def _open(self, kind: str, env: dict[bytes, bytes], what: dict[str, str]) -> None:
        options: dict[str, Any] = {**self._terminal, **what}
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                await self._relay.target.create_session(
                    self._target_session,
                    encoding=None,
                    env=[*env.items()],
                    window=WINDOW_BYTES,
                    max_pktsize=PACKET_BYTES,
                    **options,
                )
        except (asyncssh.Error, OSError, TimeoutError) as error:
            self._failed(kind, str(error) or "it did not answer in time")

    def _target_session(self) -> TargetSession:
        assert isinstance(self.peer, TargetSession)  # noqa: S101 - the relay pairs these
        return self.peer

    def _failed(self, kind: str, reason: str) -> None:
        """Tell the user: he was answered before the target was asked."""
        pair = self.pair
        self._relay.refused(pair.channel, kind, f"the target: {reason}")
        self._relay.tell(pair, f"proxyd: the target refused the {kind}: {reason}")
        pair.ended = lambda chan: chan.exit(_LOST_STATUS)
        pair.left(Side.TARGET)
