"""What mstsc and Windows say, as far as specifications go: neither can be run here.

The one speaks to servers that are real, the other to a client that is, both through proxyd.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
from peers.freerdp import RDPLogin
from peers.light_rdp import connected
from peers.rdp_target import OddTarget
from samples import windows
from samples.rdp import ScriptedTarget

from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.certificates import subject_public_key
from protocols.rdp.credssp import CredSSPInitiator
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.capability_sets import Capability
from protocols.rdp.wire.framing import DERSplitter, Splitter
from protocols.rdp.wire.ts_request import PasswordCredentials

PATIENCE_S = 45
_FASTPATH = 0b11
_LICENSE_WANTED = 0x01
_FONT_LIST = 39
_UPDATE = 2
"""Kind of a share data PDU."""


class Mstsc:
    """A client that says what mstsc says, and counts what it is shown."""

    def __init__(self, leg: Leg) -> None:
        self._leg, self._splitter = leg, Splitter()
        self._user = IO_CHANNEL + 1 + len(windows.CHANNELS)
        self.share_id = b""
        self.told: list[int | None] = []
        """Kinds of what came on the I/O channel."""
        self.shown_bytes = 0
        """Of pictures, on either path."""

    @classmethod
    @contextlib.asynccontextmanager
    async def logged_in(cls, login: RDPLogin) -> AsyncIterator["Mstsc"]:
        """Log in to proxyd by NLA, and come to where licensing begins."""
        leg = await connected(login.daemon.rdp_port)
        try:
            leg.write(windows.connection_request())
            await leg.read()
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await leg.start_tls(context)
            mstsc = cls(leg)
            await mstsc._prove(login)
            await mstsc._join()
            yield mstsc
        finally:
            leg.abort()

    async def _prove(self, login: RDPLogin) -> None:
        given = PasswordCredentials(
            domain="AUDIT-WIN", username=login.username.upper(), password=login.password
        )
        key = subject_public_key(self._leg.certificate)
        credssp, tokens = CredSSPInitiator(given, key, "proxy"), DERSplitter()
        self._leg.write(credssp.start())
        last = False
        while not last:
            token = tokens.feed(await self._leg.read())
            if token is not None:
                answer, last = credssp.receive(token)
                self._leg.write(answer)

    async def _join(self) -> None:
        initial, attach, *joins, info = windows.logging_in()
        for packet, answers in ((initial, 1), (attach, 1), *((join, 1) for join in joins)):
            self._leg.write(packet)
            await self._packets(answers)
        self._leg.write(info)

    async def _packets(self, number: int) -> list[bytes]:
        packets: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(packets) < number:
                packets += self._splitter.feed(await self._leg.read())
        return packets

    def say(self, data: bytes) -> None:
        """Say something on the I/O channel, in the share that the target named."""
        data = data.replace(windows.SHARE_ID, self.share_id, 1)
        self._leg.write(mcs.send_request(self._user, IO_CHANNEL, data))

    def press(self) -> None:
        """Press a key, and say when."""
        self._leg.write(windows.INPUT_WITH_TIMESTAMP)

    async def is_shown(self, at_least_bytes: int) -> None:
        """Wait until so much of pictures has come, and be activated on the way."""
        try:
            while self.shown_bytes < at_least_bytes:
                for packet in await self._packets(1):
                    self._hear(packet)
        except TimeoutError:
            pytest.fail(f"only {self.shown_bytes} bytes of pictures came, and {self.told}")

    def _hear(self, packet: bytes) -> None:
        if not packet[0] & _FASTPATH:
            self.shown_bytes += len(packet)
            return
        if mcs.number_of(packet) == mcs.Domain.DISCONNECT:
            raise LegClosedError("the target said goodbye")
        sent = mcs.read_sent(packet)
        if sent.channel != IO_CHANNEL:
            return
        kind = slowpath.share_kind(packet, sent.offset)
        self.told.append(kind)
        if kind is None and packet[sent.offset + 4] == _LICENSE_WANTED:
            self.say(windows.licensing(0x13))
        if kind == slowpath.Share.DEMAND_ACTIVE:
            self.share_id = packet[sent.offset + 6 : sent.offset + 10]
            self._activate()
        elif slowpath.share_data_kind(packet, sent.offset) == _UPDATE:
            self.shown_bytes += len(packet)

    def _activate(self) -> None:
        said = windows.CLIENT_PDUS
        self.say(windows.confirm_active())
        self.say(said["synchronize"])
        self.say(said["control, cooperate"])
        self.say(windows.data(20, bytes.fromhex("0100 0000 00000000")))
        self.say(said["fonts"])
        self.say(said["suppress no output"])
        self.say(said["refresh"])


def tile(left: int, top: int, colour: bytes) -> bytes:
    """A FastPath update: a bitmap of 64x64, not packed (2.2.9.1.1.3.1.2.2)."""
    place = (left, top, left + 63, top + 63, 64, 64, 32, 0)
    body = colour * 64 * 64
    head = b"".join(number.to_bytes(2, "little") for number in (1, 1, *place, len(body)))
    update = head + body
    size = len(update) + 3 + 3
    front = b"\0" + (size | 0x8000).to_bytes(2, "big")
    return front + b"\1" + len(update).to_bytes(2, "little") + update


class WindowsTarget(OddTarget):
    """Takes every login, and says what a Windows says to whoever has become active."""

    async def _listen(self, leg: Leg, scripted: ScriptedTarget) -> None:
        self._leg = leg
        self._say(windows.demand_active(_modest()))
        await self._finalised(leg, scripted)
        self._finish()
        self._say(windows.FLOW)
        for name in ("logon, without a name", "logon, extended", "keyboard lights"):
            self._say(windows.FLOW + windows.TARGET_PDUS[name])
        # Whoever has logged on is activated anew; not before xfreerdp has a window to draw in.
        await asyncio.sleep(1)
        self._say(windows.SHORT_DEACTIVATE)
        self._say(windows.demand_active(_modest()))
        await self._finalised(leg, scripted)
        self._finish()
        self._say(windows.TARGET_PDUS["logon, version 1"])
        for left in range(0, 512, 64):
            leg.write(tile(left, 0, bytes.fromhex("2040a000")))
        while True:
            scripted.answer(await leg.read())

    def _finish(self) -> None:
        for name in ("synchronize", "control, together", "control, granted", "fonts"):
            self._say(windows.TARGET_PDUS[name])

    def _say(self, data: bytes) -> None:
        self._leg.write(mcs.send_indication(windows.SERVER, IO_CHANNEL, data))

    async def _finalised(self, leg: Leg, scripted: ScriptedTarget) -> None:
        """Wait for the last that a client says before it is shown anything."""
        before = len(scripted.heard)
        while not any(_lists_fonts(packet) for packet in scripted.heard[before:]):
            scripted.answer(await leg.read())


def _modest() -> list[tuple[int, bytes]]:
    """The sets of Windows, for a desktop of 1024x768."""
    size = (0x0400).to_bytes(2, "little") + (0x0300).to_bytes(2, "little")
    return [
        (kind, body[:8] + size + body[12:] if kind == Capability.BITMAP else body)
        for kind, body in windows.TARGET_SETS
    ]


def _lists_fonts(packet: bytes) -> bool:
    if not packet[0] & _FASTPATH or mcs.number_of(packet) != mcs.Domain.SEND_DATA_REQUEST:
        return False
    start = mcs.read_sent(packet).offset
    is_data = slowpath.share_kind(packet, start) == slowpath.Share.DATA
    return is_data and slowpath.share_data_kind(packet, start) == _FONT_LIST
