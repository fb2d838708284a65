"""Answers what PyRDP makes of bytes: run by the Python of the venv that has it, as a program.

PyRDP is under the GPL, so no other process imports it. A question is a line of JSON on standard
input, `{"ask": …}` with bytes in hexadecimal; its answer is a line on standard output, with
what PyRDP says and nothing of ours: what it passes over is told as unread.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import rle
from pyrdp.core import decodeUTF16LE
from pyrdp.enum import CapabilityType, ClipboardMessageFlags, ParserMode
from pyrdp.layer import VirtualChannelLayer
from pyrdp.layer.layer import LayerObserver
from pyrdp.parser import (
    BasicFastPathParser,
    BasicSecurityParser,
    BitmapParser,
    ClientConnectionParser,
    ClientInfoParser,
    ClipboardParser,
    GCCParser,
    MCSParser,
    ServerConnectionParser,
    SlowPathParser,
    TPKTParser,
    VirtualChannelParser,
    X224Parser,
)
from pyrdp.pdu import (
    BitmapUpdateData,
    ClipboardPDU,
    DemandActivePDU,
    FastPathBitmapEvent,
    FastPathMouseEvent,
    FastPathScanCodeEvent,
    FormatDataRequestPDU,
    FormatDataResponsePDU,
    FormatListPDU,
    InputPDU,
    KeyboardEvent,
    MCSSendDataIndicationPDU,
    MCSSendDataRequestPDU,
    UnicodeKeyboardEvent,
    UpdatePDU,
)
from pyrdp.pdu.rdp.fastpath import FastPathUnicodeEvent

Question = dict[str, Any]
_BITMAP_UPDATE: Final = 1
_EXTENDED, _EXTENDED_1 = 0x02, 0x04
_SLOW_EXTENDED, _SLOW_EXTENDED_1, _SLOW_RELEASED = 0x0100, 0x0200, 0x8000


def _capability_unknown_to_it(kind: type, value: int) -> Any:
    """Let sets pass that PyRDP does not know: xrdp sends one of type 6."""
    unknown = int.__new__(kind, value)
    unknown._name_, unknown._value_ = f"unknown_{value}", value
    return unknown


CapabilityType._missing_ = classmethod(_capability_unknown_to_it)


class Told(LayerObserver):
    """Keeps the messages that a layer puts together."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []

    def onPDUReceived(self, pdu: Any) -> None:  # noqa: N802 - as PyRDP calls it
        self.messages.append(bytes(pdu.payload))


class Oracle:
    """Answers; it remembers what PyRDP's own layers remember."""

    def __init__(self) -> None:
        self._fast = {
            False: BasicFastPathParser(ParserMode.CLIENT),
            True: BasicFastPathParser(ParserMode.SERVER),
        }
        self._channels: dict[str, tuple[VirtualChannelLayer, Told]] = {}
        self._clipboards: dict[str, ClipboardParser] = {}

    def frames(self, question: Question) -> list[Any]:
        """Cut what one leg sent, by the first byte of each PDU as its layers do."""
        data, told = bytes.fromhex(question["data"]), []
        fast, tpkt = self._fast[question["from_client"]], TPKTParser()
        while data:
            parser = tpkt if tpkt.isTPKTPDU(data) else fast
            size = parser.getPDULength(data)
            frame, data = data[:size], data[size:]
            told.append(_tpkt(frame) if parser is tpkt else _fast(fast, frame))
        return told

    def share(self, question: Question) -> dict[str, Any]:
        """Read what the I/O channel carried."""
        pdu = SlowPathParser().parse(bytes.fromhex(question["data"]))
        header = pdu.header
        told: dict[str, Any] = {"kind": int(header.pduType)}
        if hasattr(header, "subtype"):
            told |= {"subtype": int(header.subtype), "compression": header.compressedType}
        if isinstance(pdu, DemandActivePDU):
            bitmap = pdu.parsedCapabilitySets[CapabilityType.CAPSTYPE_BITMAP]
            told["desktop"] = [
                bitmap.desktopWidth,
                bitmap.desktopHeight,
                bitmap.preferredBitsPerPixel,
            ]
        elif isinstance(pdu, InputPDU):
            told["inputs"] = [_slow_event(event) for event in pdu.events]
        elif isinstance(pdu, UpdatePDU):
            told["update"] = int(pdu.updateType)
            told["bytes"] = len(pdu.updateData)
        return told

    def rectangles(self, question: Question) -> list[Any]:
        """Read a bitmap update, behind its kind."""
        return _rectangles(BitmapParser().parseBitmapUpdateData(_data(question)))

    def message(self, question: Question) -> list[str]:
        """Put a virtual channel's messages together."""
        name = question["channel"]
        if name not in self._channels:
            layer, told = VirtualChannelLayer(VirtualChannelParser()), Told()
            layer.addObserver(told)
            self._channels[name] = layer, told
        layer, told = self._channels[name]
        layer.recv(_data(question))
        whole, told.messages = [one.hex() for one in told.messages], []
        return whole

    def clipboard(self, question: Question) -> dict[str, Any]:
        """Read a clipboard's message, of whose clipboard it is."""
        parser = self._clipboards.setdefault(question["owner"], ClipboardParser())
        pdu = parser.parse(_data(question))
        told: dict[str, Any] = {"kind": int(pdu.msgType)}
        if isinstance(pdu, FormatListPDU):
            told["formats"] = list(pdu.formatList)
        elif isinstance(pdu, FormatDataRequestPDU):
            told["asked"] = int(pdu.requestedFormatId)
        elif isinstance(pdu, FormatDataResponsePDU):
            told["asked"] = int(pdu.formatId)
            told["ok"] = bool(pdu.msgFlags & ClipboardMessageFlags.CB_RESPONSE_OK)
            told["text"] = decodeUTF16LE(pdu.requestedFormatData)
            told["files"] = [
                [one.filename, one.size, one.attribs] for one in getattr(pdu, "files", ())
            ]
        else:
            assert isinstance(pdu, ClipboardPDU)
        return told

    def pixels(self, question: Question) -> str:
        """Decode a compressed bitmap; the topmost row comes first."""
        sides = question["width"], question["height"]
        return bytes(rle.bitmap_decompress(_data(question), *sides, question["size"])).hex()

    def conference(self, question: Question) -> dict[str, Any]:
        """Read a Connect-Initial and the first four blocks of it, which is all it reads."""
        mcs = _mcs(_data(question))
        blocks = ClientConnectionParser().parse(GCCParser().parse(mcs.payload).payload)
        core, network, cluster = blocks.coreData, blocks.networkData, blocks.clusterData
        return {
            "size": [core.desktopWidth, core.desktopHeight],
            "depth": core.highColorDepth,
            "early": core.earlyCapabilityFlags,
            "layout": core.keyboardLayout,
            "keyboard": core.keyboardType,
            "protocol": core.serverSelectedProtocol,
            "channels": [[one.name, one.options] for one in network.channelDefinitions],
            "session": cluster.redirectedSessionID,
        }

    def answered(self, question: Question) -> dict[str, Any]:
        """Read a Connect-Response."""
        mcs = _mcs(_data(question))
        blocks = ServerConnectionParser().parse(GCCParser().parse(mcs.payload).payload)
        network = blocks.networkData
        return {"result": mcs.result, "channels": [network.mcsChannelID, *network.channels]}

    def info(self, question: Question) -> dict[str, Any]:
        """Read a Client Info with its security header."""
        info = ClientInfoParser().parse(BasicSecurityParser().parse(_data(question)).payload)
        texts = info.domain, info.username, info.password, info.alternateShell, info.workingDir
        cookie = info.extraInfo and info.extraInfo.autoReconnectCookie
        return {
            "code_page": info.codePage,
            "flags": int(info.flags),
            "texts": [text.rstrip("\0") for text in texts],
            "cookie": bytes(cookie or b"").hex(),
        }


def _data(question: Question) -> bytes:
    return bytes.fromhex(question["data"])


def _mcs(frame: bytes) -> Any:
    x224 = X224Parser().parse(TPKTParser().parse(frame).payload)
    return MCSParser().parse(x224.payload)


def _tpkt(frame: bytes) -> list[Any]:
    mcs = _mcs(frame)
    if not isinstance(mcs, MCSSendDataRequestPDU | MCSSendDataIndicationPDU):
        return ["mcs", int(mcs.header)]
    return ["sent", int(mcs.header), mcs.initiator, mcs.channelID, mcs.payload.hex()]


def _fast(parser: BasicFastPathParser, frame: bytes) -> list[Any]:
    events = parser.parse(frame).events
    if parser.mode == ParserMode.SERVER:
        return ["input", [_fast_event(event) for event in events]]
    return ["output", [_update(event) for event in events]]


def _update(event: Any) -> list[Any]:
    """Kind, fragmentation, flags of compression, and the bytes."""
    header = event.header
    told = [header & 0x0F, header >> 4 & 3, event.compressionFlags or 0, event.payload.hex()]
    assert isinstance(event, FastPathBitmapEvent) == (told[0] == _BITMAP_UPDATE)
    return told


def _rectangles(bitmaps: list[BitmapUpdateData]) -> list[Any]:
    return [
        [
            *(one.destLeft, one.destTop, one.destRight, one.destBottom),
            *(one.width, one.heigth, one.bitsPerPixel, one.flags),
            one.bitmapData.hex(),
        ]
        for one in bitmaps
    ]


def _fast_event(event: Any) -> list[Any]:
    if isinstance(event, FastPathScanCodeEvent):
        flags = event.rawHeaderByte
        extended = bool(flags & _EXTENDED), bool(flags & _EXTENDED_1)
        return ["key", event.scanCode, bool(event.isReleased), *extended]
    if isinstance(event, FastPathMouseEvent):
        return ["pointer", event.pointerFlags, event.mouseX, event.mouseY]
    if isinstance(event, FastPathUnicodeEvent):
        return ["character", event.text, bool(event.released)]
    return ["unread", event.data[0] >> 5]


def _slow_event(event: Any) -> list[Any]:
    if isinstance(event, KeyboardEvent | UnicodeKeyboardEvent):
        released = bool(event.flags & _SLOW_RELEASED)
        if isinstance(event, UnicodeKeyboardEvent):
            return ["character", chr(event.keyCode), released]
        extended = bool(event.flags & _SLOW_EXTENDED), bool(event.flags & _SLOW_EXTENDED_1)
        return ["key", event.keyCode, released, *extended]
    if hasattr(event, "x"):
        return ["pointer", event.flags, event.x, event.y]
    return ["locks", event.flags]


def main() -> None:
    """Answer until the questions end."""
    # What PyRDP prints or logs must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    oracle = Oracle()
    for line in sys.stdin:
        question = json.loads(line)
        ask: Callable[[Question], Any] = getattr(oracle, question["ask"])
        try:
            answer = {"answer": ask(question)}
        except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
