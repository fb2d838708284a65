"""A client's screen and keys, as the terminal of proxyd uses them: text out, lines in.

INVARIANT: what is shown is recorded before it is sent, and what is typed when it is read; what
is typed where nothing is shown of it is never recorded.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from protocols.ssh.client_leg import ClientLeg
from protocols.ssh.terminal.hosted_channel import HostedChannel
from protocols.ssh.terminal.line_editor import Complete, LineEditor, Typed
from recorder.events import ClientData, InputMasked, KnownEvent, TargetData
from recorder.ports import EventSink

_INTERRUPT: Final = b"\x03"
Help = Callable[[str], list[str]]
"""Is handed what stands left of a `?`; returns what to show."""


class Screen:
    """One channel's."""

    def __init__(
        self,
        leg: ClientLeg,
        channel: HostedChannel,
        sink: EventSink,
        changed: asyncio.Event,
        idle_s: float,
    ) -> None:
        """`idle_s`: for so long nobody may type, 0 for ever; `changed` is set by who hears."""
        self.channel = channel
        self._leg, self._sink, self._changed = leg, sink, changed
        self._idle_s = idle_s or None
        self._editor = LineEditor()

    @property
    def interactive(self) -> bool:
        """Whether there is a terminal."""
        return self.channel.terminal is not None

    def completing(self, complete: Complete) -> None:
        """Let Tab ask `complete` from now on."""
        self._editor.complete = complete

    def write(self, text: str) -> None:
        """Show `text`; raise `RecordingLostError` where that cannot be recorded."""
        if not text or self.channel.finished or self.channel.left:
            return
        data = text.encode("utf-8", "replace")
        self._record(
            TargetData(at_ms=self._sink.at_ms(), channel=self.channel.ident, data=data)
        )
        self._leg.send_bodies(self.channel.write(data))

    def say(self, *lines: str) -> None:
        """Show whole lines."""
        end = "\r\n" if self.interactive else "\n"
        self.write("".join(line + end for line in lines))

    async def flushed(self) -> None:
        """Return once all that was written has been sent, or never will be."""
        while self.channel.waiting and not self.channel.left:
            await self._wait()

    async def read(
        self,
        prompt: str,
        *,
        hidden: bool = False,
        keeps: bool = True,
        help_: Help | None = None,
    ) -> str | None:
        """Return a line, or None where there is none to come.

        Raises `TimeoutError` where nothing is typed for too long.
        """
        editor, channel = self._editor, self.channel
        editor.echoes = self.interactive
        self._resize()
        self.write(editor.begin(prompt, hidden=hidden, keeps=keeps))
        while not channel.left:
            if channel.typed:
                # A few keys may show much: only as fast as it is read, and others come between.
                async with asyncio.timeout(self._idle_s):
                    await self.flushed()
                await asyncio.sleep(0)
                typed = self._take(hidden=hidden)
                if typed.help is not None and help_:
                    self.say(*help_(typed.help))
                    self.write(editor.again())
                if typed.line is not None:
                    return typed.line
                if typed.left:
                    return None
                if channel.typed:
                    continue
            if channel.ended:
                return None
            async with asyncio.timeout(self._idle_s):
                await self._wait()
            self._resize()
        return None

    async def interrupted(self, limit_s: float) -> bool:
        """Wait, and say whether control-C was typed or the client has gone meanwhile."""
        channel = self.channel
        try:
            async with asyncio.timeout(limit_s):
                while not (channel.left or _INTERRUPT in channel.typed):
                    await self._wait()
        except TimeoutError:
            return False
        if _INTERRUPT in channel.typed:
            del channel.typed[: channel.typed.index(_INTERRUPT) + 1]
        return True

    # --- inside

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _take(self, *, hidden: bool) -> Typed:
        channel = self.channel
        data = bytes(channel.typed)
        typed = self._editor.take(data)
        channel.typed[:] = typed.rest
        taken = data[: len(data) - len(typed.rest)]
        at_ms, ident = self._sink.at_ms(), channel.ident
        if not hidden:
            self._record(ClientData(at_ms=at_ms, channel=ident, data=taken))
        elif typed.line is not None:
            self._record(InputMasked(at_ms=at_ms, channel=ident))
        self.write(typed.shown)
        self._leg.send_bodies(channel.replenish())
        return typed

    def _record(self, event: KnownEvent) -> None:
        self._sink.record([event])

    def _resize(self) -> None:
        if self.channel.terminal:
            self._editor.columns = self.channel.terminal.columns or 80
