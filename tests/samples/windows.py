"""What mstsc and Windows say, byte by byte, as [MS-RDPBCGR] section 4 and 2.2 have it.

Neither can be run here. These are their words where they differ from those of FreeRDP and
xrdp: more blocks, more capability sets, and PDUs that only they send.
"""

from samples.rdp import CHANNELS, capability, client_info, share

from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.wire import gcc, mcs
from protocols.rdp.wire.capability_sets import Capability
from protocols.rdp.wire.client_info import SECURITY_FLAG
from protocols.rdp.wire.framing import data_packet, tpkt

SERVER = 1002
"""The channel that Windows speaks from."""
SHARE_ID = bytes.fromhex("ea030100")

# --- mstsc

CORRELATION = bytes.fromhex("0600 2400") + bytes(range(0x41, 0x51)) + bytes(16)
"""2.2.1.1.2: what a support engineer finds both ends of a connection by."""


def connection_request(before: bytes = b"Cookie: mstshash=AUDIT-WIN\r\n") -> bytes:
    """TLS, NLA and NLA with an early result, and a correlation identifier behind it."""
    negotiation = bytes.fromhex("01 08 0800 0b000000")
    body = before + negotiation + CORRELATION
    return tpkt(bytes((6 + len(body), 0xE0)) + bytes(5) + body)


PRECONNECTION_1 = bytes.fromhex("12000000 00000000 01000000 eb99c6ee 0000")[:18]
"""[MS-RDPEPS] 2.2.1.1, as clients of a Hyper-V console send it before anything else."""


def client_core(early: int = 0x0DAF) -> bytes:
    """CS_CORE of Windows 10: 230 bytes, with the sizes and scales of its screen."""
    block = bytes.fromhex("0c000800")  # RDP 10.7
    block += (1920).to_bytes(2, "little") + (1080).to_bytes(2, "little")
    block += bytes.fromhex("01ca 03aa 07040000 61 4a 00 00")
    block += "AUDIT-WIN".encode("utf-16-le").ljust(32, b"\0")
    block += bytes.fromhex("04000000 00000000 0c000000") + bytes(64)
    block += bytes.fromhex("01ca 0100 00000000 1800 0f00") + early.to_bytes(2, "little")
    block += "69712-783-0357974-42714".encode("utf-16-le").ljust(64, b"\0")
    block += bytes.fromhex("07 00 0b000000")  # A LAN; and what it asked for.
    block += bytes.fromhex("08020000 25010000 0000 64000000 64000000")
    return block


MONITORS = bytes.fromhex("00000000 02000000") + b"".join(
    number.to_bytes(4, "little", signed=True)
    for number in (0, 0, 1919, 1079, 1, 1920, 0, 3839, 1079, 0)
)
MONITOR_DETAILS = bytes.fromhex("00000000 14000000 02000000") + bytes(40)

BLOCKS: gcc.Blocks = [
    (gcc.Block.CLIENT_CORE, client_core()),
    (gcc.Block.CLIENT_CLUSTER, bytes.fromhex("15000000 00000000")),
    (gcc.Block.CLIENT_SECURITY, bytes.fromhex("1b000000 00000000")),
    (gcc.Block.CLIENT_NETWORK, gcc.write_channels(CHANNELS)),
    (gcc.Block.CLIENT_MONITOR, MONITORS),
    (gcc.Block.CLIENT_MONITOR_EXTENDED, MONITOR_DETAILS),
    (gcc.Block.CLIENT_MULTITRANSPORT, bytes.fromhex("05030000")),
    (gcc.Block.CLIENT_MESSAGE_CHANNEL, bytes(4)),
]


def connect_initial() -> bytes:
    """4.1.3: with the domain parameters of mstsc, and PER lengths in two bytes."""
    joined = b"".join(
        kind.to_bytes(2, "little") + (len(body) + 4).to_bytes(2, "little") + body
        for kind, body in BLOCKS
    )
    inner = bytes.fromhex("0008 0010 0001 c000 44756361") + _per(len(joined)) + joined
    user_data = bytes.fromhex("0005 0014 7c00 01") + _per(len(inner)) + inner
    parameters = bytes.fromhex(
        "040101 040101 0101ff"
        "3019 020122 020102 020100 020101 020100 020101 0202ffff 020102"
        "3019 020101 020101 020101 020101 020100 020101 02020420 020102"
        "301c 0202ffff 0202fc17 0202ffff 020101 020100 020101 0202ffff 020102"
    )
    octets = b"\x04\x82" + len(user_data).to_bytes(2, "big") + user_data
    body = parameters + octets
    return data_packet(b"\x7f\x65\x82" + len(body).to_bytes(2, "big") + body)


def _per(size: int) -> bytes:
    return (size | 0x8000).to_bytes(2, "big")


RAIL = 0x8000 | 0x0200_0000
"""INFO_RAIL and INFO_HIDEF_RAIL_SUPPORTED, of a client that shows a single program."""


def info_packet(flags: int = 0x0003_47BB | 3 << 9) -> bytes:
    """2.2.1.11, as mstsc sends it under NLA: with what is behind an empty cookie."""
    info = client_info("", "")
    head = info.write()[:4] + (flags | 0x10).to_bytes(4, "little") + info.write()[8:-2]
    zone = "W. Europe Standard Time".encode("utf-16-le")
    behind = b"\0\0" + bytes(4) + len(zone).to_bytes(2, "little") + zone + bytes(2)
    return SECURITY_FLAG.to_bytes(4, "little") + head + behind


def logging_in() -> list[bytes]:
    """What mstsc sends behind NLA: it joins every channel, for we take none for granted."""
    ids = [IO_CHANNEL + 1 + number for number in range(len(CHANNELS))]
    user = ids[-1] + 1
    return [
        connect_initial(),
        data_packet(bytes.fromhex("04 0100 0100")) + data_packet(b"\x28"),
        *(mcs.join(user, channel) for channel in (user, IO_CHANNEL, *ids)),
        mcs.send_request(user, IO_CHANNEL, info_packet()),
    ]


def data(kind: int, body: bytes, source: int = SERVER, compression: int = 0) -> bytes:
    """A share data PDU (2.2.8.1.1.1.2)."""
    size = (len(body) + 4).to_bytes(2, "little")
    head = SHARE_ID + b"\0\x01" + size + bytes([kind, compression, 0, 0])
    packet = share(0x7, head + body)
    return packet[:4] + source.to_bytes(2, "little") + packet[6:]


CLIENT_PDUS = {
    "synchronize": data(31, bytes.fromhex("0100 ea03")),
    "control, cooperate": data(20, bytes.fromhex("0400 0000 00000000")),
    "persistent keys": data(43, bytes(20) + bytes.fromhex("03 00 0000")),
    "fonts": data(39, bytes.fromhex("0000 0000 0300 3200")),
    "input": data(28, bytes.fromhex("0100 0000 00000000 0400 0000 1e00 0000")),
    "suppress output": data(35, bytes(4)),
    "suppress no output": data(35, bytes.fromhex("01000000 0000 0000 7f07 3704")),
    "refresh": data(33, bytes.fromhex("01000000 0000 0000 7f07 3704")),
    "shutdown": data(36, b""),
    "frame acknowledged": data(56, bytes.fromhex("01000000")),
}
INPUT_WITH_TIMESTAMP = bytes.fromhex("08 09 00 1e c0 78563412")
"""FastPath: the key A, and when it was pressed (2.2.8.1.2.2.6)."""

# --- Windows

VALID_CLIENT = bytes.fromhex("80000000 ff03 1400 07000000 02000000 28140000")
"""2.2.1.12.1.3: no licence is needed."""


def licensing(kind: int, flags: int = 0x0080) -> bytes:
    """Any other licensing PDU: 1 request, 2 challenge, 3 new, 0x13 and 0x15 the answers."""
    body = bytes(range(200)) * 3
    preamble = bytes([kind, 0x83]) + (len(body) + 4).to_bytes(2, "little")
    return flags.to_bytes(4, "little") + preamble + body


TARGET_SETS = [
    (Capability.SHARE, bytes.fromhex("ea03 dce2")),
    (Capability.GENERAL, bytes.fromhex("0100 0300 0002 0000 0000 1d04 0000 0000 0000 01 01")),
    (Capability.VIRTUAL_CHANNEL, bytes.fromhex("02000000")),
    (Capability.GDI_PLUS, bytes(36)),
    (Capability.FONT, b""),
    (
        Capability.BITMAP,
        bytes.fromhex("2000 0100 0100 0100 8007 3804 0000 0100 0100 00 08 0100 0000"),
    ),
    (Capability.ORDER, bytes(28) + bytes.fromhex("6400 2200") + b"\1" * 32 + bytes(20)),
    (Capability.COLOUR_CACHE, bytes.fromhex("0600 0000")),
    (Capability.BITMAP_CACHE_HOST, bytes.fromhex("01000000")),
    (Capability.POINTER, bytes.fromhex("0100 1900 1900")),
    # Scan codes, extended mouse, Unicode, FastPath, horizontal wheel, timestamps.
    (Capability.INPUT, bytes.fromhex("3d02 0000") + bytes(80)),
    (Capability.REMOTE_PROGRAMS, bytes.fromhex("03000000")),
    (Capability.WINDOW_LIST, bytes.fromhex("02000000 03 0c00")),
    (Capability.DESKTOP_COMPOSITION, bytes.fromhex("0100")),
    (0x1A, bytes.fromhex("c0ff9f00")),
    (0x1B, bytes.fromhex("0300")),
    (Capability.SURFACE_COMMANDS, bytes.fromhex("52000000 00000000")),
    (Capability.BITMAP_CODECS, b"\x03" + bytes(60)),
    (Capability.FRAME_ACKNOWLEDGE, bytes.fromhex("02000000")),
]
"""4.1.12, and what Windows 7 and later add. That of fonts is empty, that of windows odd."""
CLIENT_SETS = [
    (Capability.GENERAL, bytes.fromhex("0100 0300 0002 0000 0000 1d04 0000 0000 0000 00 00")),
    (
        Capability.BITMAP,
        bytes.fromhex("2000 0100 0100 0100 8007 3804 0000 0100 0100 00 0a 0100 0000"),
    ),
    (Capability.ORDER, bytes(28) + bytes.fromhex("6400 aa00") + b"\1" * 32 + bytes(20)),
    (Capability.BITMAP_CACHE, bytes(24) + bytes.fromhex("7800 0004 7800 0010 5101 0040")),
    (Capability.COLOUR_CACHE, bytes.fromhex("0600 0000")),
    (0x07, bytes(8)),
    (0x05, bytes.fromhex("0000 0000 0200 0200")),
    (Capability.POINTER, bytes.fromhex("0100 1400 1500")),
    (Capability.SHARE, bytes(4)),
    (Capability.INPUT, bytes.fromhex("1502 0000") + bytes(80)),
    (0x0C, bytes.fromhex("0100 0000")),
    (Capability.FONT, bytes.fromhex("0100 0000")),
    (Capability.GLYPH_CACHE, b"\xfe\0\4\0" * 10 + bytes.fromhex("00010001 0300 0000")),
    (0x0F, bytes.fromhex("01000000")),
    (Capability.OFFSCREEN_CACHE, bytes.fromhex("01000000 001e 6400")),
    (Capability.VIRTUAL_CHANNEL, bytes.fromhex("01000000 40060000")),
    (Capability.NINE_GRID, bytes.fromhex("02000000 000a 0001")),
    (Capability.WINDOW_LIST, bytes.fromhex("02000000 03 0c00")),
    (Capability.REMOTE_PROGRAMS, bytes.fromhex("ff000000")),
    (Capability.DESKTOP_COMPOSITION, bytes.fromhex("0100")),
    (0x1A, bytes.fromhex("c0ff9f00")),
    (0x1B, bytes.fromhex("0300")),
    (Capability.SURFACE_COMMANDS, bytes.fromhex("52000000 00000000")),
    (Capability.BITMAP_CODECS, b"\x02" + bytes(60)),
    (Capability.FRAME_ACKNOWLEDGE, bytes.fromhex("02000000")),
]
"""4.1.13 likewise: the older cache, for the target was not heard to offer the newer one."""


def demand_active(sets: list[tuple[int, bytes]] | None = None) -> bytes:
    """4.1.12."""
    joined = [capability(kind, body) for kind, body in TARGET_SETS if sets is None]
    joined += [capability(kind, body) for kind, body in sets or ()]
    combined = len(joined).to_bytes(2, "little") + b"\0\0" + b"".join(joined)
    body = SHARE_ID + b"\4\0" + len(combined).to_bytes(2, "little") + b"RDP\0" + combined
    return share(0x1, body + bytes(4))


def confirm_active(sets: list[tuple[int, bytes]] | None = None) -> bytes:
    """4.1.13: the source is MSTSC, without padding."""
    joined = [capability(kind, body) for kind, body in sets or CLIENT_SETS]
    combined = len(joined).to_bytes(2, "little") + b"\0\0" + b"".join(joined)
    body = SHARE_ID + b"\xea\x03\6\0" + len(combined).to_bytes(2, "little")
    return share(0x3, body + b"MSTSC\0" + combined)


FLOW = bytes.fromhex("0080 41 00 ea 00 ea03")
"""A FlowPDU, which the share control header says is to be ignored (2.2.8.1.1.1.1)."""
SHORT_DEACTIVATE = bytes.fromhex("0400 1600")
"""A Deactivate All of an old Windows: it ends behind its kind."""
TARGET_PDUS = {
    "synchronize": data(31, bytes.fromhex("0100 ea03")),
    "control, together": data(20, bytes.fromhex("0400 0000 00000000")),
    "control, granted": data(20, bytes.fromhex("0200 ef03 ea030000")),
    "fonts": data(40, bytes.fromhex("0000 0000 0300 0400")),
    "slow-path bitmap": data(2, bytes.fromhex("0100 0000")),
    "pointer": data(27, bytes.fromhex("0100 0000 00000000")),
    "beep": data(34, bytes.fromhex("64000000 b8010000")),
    "keyboard lights": data(41, bytes.fromhex("0000 0300")),
    "input method": data(45, bytes.fromhex("0000 00000000 00000000")),
    "monitors": data(55, bytes.fromhex("02000000") + MONITORS[8:]),
    "shutdown denied": data(37, b""),
    "reconnect refused": data(50, bytes(4)),
    "status": data(54, bytes.fromhex("01040000")),
    "error": data(47, bytes(4)),
    "compressed": data(2, bytes.fromhex("a1b2c3d4e5f6"), compression=0x61),
    "logon, version 1": data(38, bytes(4) + bytes(576)),
    "logon, version 2": data(38, bytes.fromhex("01000000 0100 12000000") + bytes(570)),
    "logon, without a name": data(38, bytes.fromhex("02000000") + bytes(576)),
    "logon, extended": data(
        38, bytes.fromhex("03000000 1200 02000000 08000000 feffffff 02000000") + bytes(570)
    ),
    "deactivate": share(0x6, SHARE_ID + bytes.fromhex("0100 00")),
}
