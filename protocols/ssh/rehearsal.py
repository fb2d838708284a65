"""Keeps the way of a key warm while somebody types.

Between two keys a machine that is otherwise idle forgets: the processor's caches fill with
other things, and the next key finds this way cold and takes three times as long. So while
keys come, one of our own crosses a relay of its own every few milliseconds, and its echo
comes back, up to where a real one would be written and sent. It costs some hundredths of a
core while anybody types and nothing while nobody does.

INVARIANT: nothing of it reaches a recording, a peer or the disk.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final

from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import Limits, Side
from protocols.ssh.ciphers import PacketGCM
from protocols.ssh.packet_relay import PacketRelay
from protocols.ssh.packets import Message, body_of, channel_data, string, uint32
from recorder.events import EndReason, KnownEvent, encode_burst
from recorder.session_info import RecordingTerms

LINGER_S: Final = 2.0
"""Who typed within this time is taken to type on."""
KEYS_A_LINE: Final = 200
"""Then a new line is begun: what is typed is held until its line ends."""


_WINDOW: Final = uint32(2**31) + uint32(2**15)
_OPEN: Final = body_of(
    bytes((Message.CHANNEL_OPEN,)) + string(b"session") + uint32(0) + _WINDOW
)
_CONFIRMED: Final = body_of(
    bytes((Message.CHANNEL_OPEN_CONFIRMATION,)) + uint32(0) + uint32(0) + _WINDOW
)
_TERMINAL: Final = body_of(
    bytes((Message.CHANNEL_REQUEST,))
    + uint32(0)
    + string(b"pty-req")
    + bytes((False,))
    + string(b"xterm")
    + uint32(80)
    + uint32(24)
    + uint32(0)
    + uint32(0)
    + string(b"")
)
_KEY: Final = body_of(channel_data(0, b"x"))


class Rehearsal:
    """One for all sessions of a gateway. `interval_s` 0 switches it off."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._until_s = 0.0
        self._running = False
        self._stage: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether somebody typed lately."""
        return self._running

    def typed(self) -> None:
        """Take it that a user has pressed a key."""
        if not self._interval_s:
            return
        loop = asyncio.get_running_loop()
        self._until_s = loop.time() + LINGER_S
        if not self._running:
            self._running = True
            self._stage = _Stage().rehearse
            loop.call_later(self._interval_s, self._tick, loop, loop.time() + self._interval_s)

    def _tick(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        now_s = loop.time()
        if now_s > self._until_s:
            self._running = False
            return
        # A loop that is behind has real work, and that keeps it warm.
        if now_s - due_s < self._interval_s:
            self._stage()
        due_s = now_s + self._interval_s
        loop.call_later(self._interval_s, self._tick, loop, due_s)


class _Stage:
    """A relay between nobody and nobody, with one terminal."""

    def __init__(self) -> None:
        key, iv = os.urandom(16), os.urandom(12)
        self._sealing, self._opening = PacketGCM(key, iv), PacketGCM(key, iv)
        self._begin()

    def rehearse(self) -> None:
        """Let one key cross, and its echo."""
        if not self._keys_left:
            self._begin()
        self._keys_left -= 1
        for side in Side:
            sealed, _ = self._sealing.seal_burst([_KEY])
            bodies: list[bytes] = []
            self._opening.open_burst(bytes(sealed), bodies)
            self._relay.receive(side, bodies)
            self._relay.judge()

    def _begin(self) -> None:
        self._keys_left = KEYS_A_LINE
        policy, terms = ChannelPolicy(frozenset(("shell",))), RecordingTerms()
        self._relay = PacketRelay(policy, terms, Limits(), _Nowhere())
        self._relay.receive(Side.CLIENT, [_OPEN])
        self._relay.receive(Side.TARGET, [_CONFIRMED])
        self._relay.receive(Side.CLIENT, [_TERMINAL])


class _Nowhere:
    """An `EventSink` that does with a burst what can be done without keeping it."""

    congested = False

    def at_ms(self) -> int:
        """Return a moment of a session that does not take place."""
        return 0

    def record(self, events: list[KnownEvent]) -> None:
        """Encode the burst."""
        encode_burst(events)

    async def drain(self) -> None:
        """Wait for nothing."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Keep nothing."""
