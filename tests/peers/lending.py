"""A target that takes what its client lends it, and asks for more: drives, printers, channels.

xrdp mounts drives, but neither prints nor opens every dynamic channel, and to FreeRDP it says
things in an order that makes it announce no drives.
"""

import asyncio
from pathlib import Path
from typing import Final

from peers.rdp_target import OddTarget
from samples import devices
from samples.rdp import ScriptedTarget, active, share

from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.leg import Leg
from protocols.rdp.wire import gcc, mcs, slowpath
from protocols.rdp.wire.devices import Device, Kind, kind_of, read_completion, read_devices
from protocols.rdp.wire.licensing import valid_client
from protocols.rdp.wire.virtual_channel import pieces, read_piece

DEVICES, DYNAMIC = "rdpdr", "drdynvc"
PATIENCE_S: Final = 45
_USER: Final = slowpath.SERVER_USER
_CAPABILITIES: Final = (
    (1, bytes.fromhex("0100030000020000000005040000000000000101")),
    (2, bytes.fromhex("200001000100010000040003000001000100000001000000")),
    (3, bytes(20) + bytes.fromhex("010014000000010000000a00") + bytes(52)),
    (8, bytes.fromhex("010019001900")),
    (9, bytes(4)),
    (13, b"\1\0" + bytes(82)),
    (0x14, devices.numbers(0, 1600)),
)
"""As little as clients want to hear ([MS-RDPBCGR] 2.2.7)."""
_SYNCHRONIZE, _CONTROL, _FONT_MAP = 31, 20, 40
_ACTIVATION: Final = (
    (_SYNCHRONIZE, b"\1\0" + (1004).to_bytes(2, "little")),
    (_CONTROL, b"\4\0" + bytes(6)),
    (_CONTROL, b"\2\0" + bytes(6)),
    (_FONT_MAP, bytes(4) + b"\3\0\4\0"),
)
"""What a server says once its client is active ([MS-RDPBCGR] 1.3.1.1)."""
_GENERAL: Final = b"\1\0\x2c\0" + devices.numbers(2, 2, 0, 0x000C0001, 0xFFFF, 0, 7, 0, 0, 0)
_SETS: Final = (_GENERAL, *(bytes([kind, 0, 8, 0]) + devices.numbers(2) for kind in (2, 4)))


def _share_data(kind: int, body: bytes) -> bytes:
    head = bytes(4) + b"\0\1" + (4 + len(body)).to_bytes(2, "little") + bytes([kind, 0, 0, 0])
    return share(slowpath.Share.DATA, head + body)


class Borrower:
    """The target's end of one session."""

    def __init__(self, leg: Leg, scripted: ScriptedTarget) -> None:
        self._leg, self._scripted = leg, scripted
        named = gcc.read_channels(gcc.find(scripted.blocks, gcc.Block.CLIENT_NETWORK))
        self.channels = {
            one.name.lower(): scripted.first + number for number, one in enumerate(named)
        }
        """Numbers of those that the client asked for."""
        self._heard: dict[int, asyncio.Queue[bytes]] = {
            number: asyncio.Queue() for number in self.channels.values()
        }
        self._parts: dict[int, bytes] = {}
        self._completion = 0
        self.is_active = asyncio.Event()

    async def listen(self) -> None:
        """Take what the client sends until it leaves."""
        demand = active(_CAPABILITIES, confirm=False)
        self._send(IO_CHANNEL, demand)
        while True:
            before = len(self._scripted.heard)
            self._scripted.answer(await self._leg.read())
            for packet in self._scripted.heard[before:]:
                self._hear(packet)

    def _hear(self, packet: bytes) -> None:
        if not packet[0] & 0b11 or mcs.domain_of(packet)[0] != mcs.Domain.SEND_DATA_REQUEST:
            return
        sent = mcs.read_sent(packet)
        if sent.channel in self._heard:
            piece = read_piece(packet[sent.offset :])
            parts = b"" if piece.is_first else self._parts[sent.channel]
            self._parts[sent.channel] = parts + piece.data
            if piece.is_last:
                self._heard[sent.channel].put_nowait(self._parts[sent.channel])
        elif slowpath.share_kind(packet, sent.offset) == slowpath.Share.CONFIRM_ACTIVE:
            for kind, body in _ACTIVATION:
                self._send(IO_CHANNEL, _share_data(kind, body))
            self.is_active.set()

    def _send(self, channel: int, data: bytes) -> None:
        self._leg.write(mcs.send_indication(_USER, channel, data))

    def say(self, channel: str, *messages: bytes) -> None:
        for message in messages:
            for piece in pieces(message, show_protocol=False):
                self._send(self.channels[channel], piece)

    def redirect(self, packet: bytes) -> None:
        """Send the client elsewhere, as the specification shows it: by a share PDU without
        a version ([MS-RDPBCGR] 4.6)."""
        data = share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + packet)
        self._send(IO_CHANNEL, data[:2] + b"\x0a" + data[3:])

    async def heard(self, channel: str) -> bytes:
        """The next message on a channel."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._heard[self.channels[channel]].get()

    async def until(self, kind: Kind) -> bytes:
        """The next message of a kind about devices."""
        while kind_of(message := await self.heard(DEVICES)) != kind:
            pass
        return message

    async def lent(self) -> list[Device]:
        """Be told of devices, and take all of them."""
        self.say(DEVICES, devices.numbers(Kind.SERVER_ANNOUNCE, 0x000C0001, 7))
        await self.until(Kind.CLIENT_NAME)
        head = devices.numbers(Kind.SERVER_CAPABILITIES, len(_SETS))
        confirm = devices.numbers(Kind.CLIENT_ID, 0x000C0001, 7)
        self.say(DEVICES, head + b"".join(_SETS), confirm)
        await self.until(Kind.CLIENT_CAPABILITIES)
        self.say(DEVICES, devices.numbers(Kind.LOGGED_ON))
        told: list[Device] = []
        while not told:
            told = read_devices(await self.until(Kind.DEVICES))
        for one in told:
            self.say(DEVICES, devices.numbers(Kind.DEVICE_REPLY, one.number, 0))
        return told

    async def ask(self, message: bytes) -> bytes:
        """Ask something of a device; return the answer."""
        self.say(DEVICES, message)
        asked = int.from_bytes(message[12:16], "little")
        while read_completion(answer := await self.until(Kind.COMPLETION)).completion != asked:
            pass
        return answer


class LendingTarget(OddTarget):
    """Takes every login over TLS, lets clients become active, and hands their sessions out."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name, valid_client())
        self.borrowers: asyncio.Queue[Borrower] = asyncio.Queue()

    async def _listen(self, leg: Leg, scripted: ScriptedTarget) -> None:
        borrower = Borrower(leg, scripted)
        self.borrowers.put_nowait(borrower)
        await borrower.listen()

    async def borrower(self) -> Borrower:
        """The session of the next client, once that is active."""
        async with asyncio.timeout(PATIENCE_S):
            borrower = await self.borrowers.get()
            await borrower.is_active.wait()
        return borrower
