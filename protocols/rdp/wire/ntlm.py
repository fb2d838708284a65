"""The three messages of NTLM ([MS-NLMP] 2.2.1), as an acceptor needs them."""

import datetime as dt
import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

SIGNATURE: Final = b"NTLMSSP\0"
MAX_MESSAGE_BYTES: Final = 16 * 1024
_NEGOTIATE_MIN_BYTES: Final = 16
_AUTHENTICATE_MIN_BYTES: Final = 64
_MIC: Final = slice(72, 88)
"""Behind flags and version ([MS-NLMP] 2.2.1.3)."""
_BLOB_PAIRS_OFFSET: Final = 28
"""Of the AV pairs in an NTLMv2_CLIENT_CHALLENGE ([MS-NLMP] 2.2.2.7)."""
_PROOF_BYTES: Final = 16
_VERSION: Final = b"\x0a\x00\x00\x00\x00\x00\x00\x0f"
"""Windows 10, NTLM revision 15: clients take neither for more than decoration."""
_CHALLENGE_HEADER_BYTES: Final = 56
_MIC_PROVIDED: Final = 0x2
_FILE_TIME_EPOCH: Final = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)


class Flag(enum.IntFlag):
    """Negotiate flags ([MS-NLMP] 2.2.2.5)."""

    UNICODE = 0x0000_0001
    REQUEST_TARGET = 0x0000_0004
    SIGN = 0x0000_0010
    SEAL = 0x0000_0020
    NTLM = 0x0000_0200
    ALWAYS_SIGN = 0x0000_8000
    TARGET_TYPE_SERVER = 0x0002_0000
    EXTENDED_SESSION_SECURITY = 0x0008_0000
    TARGET_INFO = 0x0080_0000
    VERSION = 0x0200_0000
    KEY_128 = 0x2000_0000
    KEY_EXCHANGE = 0x4000_0000
    KEY_56 = 0x8000_0000


NEEDED: Final = (
    Flag.UNICODE | Flag.SIGN | Flag.SEAL | Flag.EXTENDED_SESSION_SECURITY | Flag.KEY_128
)
"""Without all of these a session would be protected by less than CredSSP asks for."""
OFFERED: Final = (
    NEEDED
    | Flag.REQUEST_TARGET
    | Flag.NTLM
    | Flag.ALWAYS_SIGN
    | Flag.TARGET_TYPE_SERVER
    | Flag.TARGET_INFO
    | Flag.VERSION
    | Flag.KEY_EXCHANGE
    | Flag.KEY_56
)


class Pair(enum.IntEnum):
    """AV pairs ([MS-NLMP] 2.2.2.1)."""

    END = 0
    COMPUTER = 1
    DOMAIN = 2
    DNS_COMPUTER = 3
    DNS_DOMAIN = 4
    FLAGS = 6
    TIMESTAMP = 7


def read_negotiate(message: bytes) -> Flag:
    """Return what a client asks for with its NEGOTIATE ([MS-NLMP] 2.2.1.1)."""
    if len(message) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError("an NTLM message that is too long")
    if len(message) < _NEGOTIATE_MIN_BYTES:
        raise RemoteProtocolError("an NTLM message that is too short")
    _expect_kind(message, 1)
    return Flag(int.from_bytes(message[12:16], "little"))


def file_time(moment: dt.datetime) -> int:
    """Return a moment as FILETIME: tenths of microseconds since 1601 ([MS-DTYP] 2.3.3)."""
    elapsed = moment - _FILE_TIME_EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * 10_000_000 + elapsed.microseconds * 10


class Challenge(Struct, frozen=True, kw_only=True):
    """What an acceptor answers ([MS-NLMP] 2.2.1.2)."""

    server_challenge: bytes
    """8 random bytes."""
    name: str
    """Ours; nobody is asked to be in a domain of that name."""
    file_time: int
    """Now, in 100 ns since 1601: a client that sees it must send a MIC."""

    def write(self, asked: Flag) -> bytes:
        """Return the message that answers what the client asked for."""
        target = self.name.upper().encode("utf-16-le")
        pairs = self._pairs()
        flags = (asked & OFFERED) | NEEDED | Flag.TARGET_INFO | Flag.TARGET_TYPE_SERVER
        start = _CHALLENGE_HEADER_BYTES
        head = SIGNATURE + b"\x02\0\0\0" + _field(len(target), start)
        head += flags.to_bytes(4, "little") + self.server_challenge + bytes(8)
        head += _field(len(pairs), start + len(target)) + _VERSION
        return head + target + pairs

    def _pairs(self) -> bytes:
        upper, lower = self.name.upper(), self.name.lower()
        texts = {
            Pair.DOMAIN: upper,
            Pair.COMPUTER: upper,
            Pair.DNS_DOMAIN: lower,
            Pair.DNS_COMPUTER: lower,
        }
        pairs = b"".join(_pair(kind, text.encode("utf-16-le")) for kind, text in texts.items())
        return pairs + _pair(Pair.TIMESTAMP, self.file_time.to_bytes(8, "little")) + bytes(4)


class Authenticate(Struct, frozen=True, kw_only=True):
    """What a client proves itself with ([MS-NLMP] 2.2.1.3)."""

    flags: Flag
    domain: str
    username: str
    response: bytes
    """NtChallengeResponse: the proof, and the blob that it proves."""
    session_key: bytes
    """EncryptedRandomSessionKey; empty without key exchange."""
    mic: bytes | None
    without_mic: bytes
    """The message as the MIC covers it: with zeros in its place."""

    def __repr__(self) -> str:
        return "Authenticate(<redacted>)"

    @classmethod
    def read(cls, message: bytes) -> "Authenticate":
        """Read one; NTLMv1 is refused."""
        if len(message) > MAX_MESSAGE_BYTES:
            raise RemoteProtocolError("an NTLM message that is too long")
        if len(message) < _AUTHENTICATE_MIN_BYTES:
            raise RemoteProtocolError("an NTLM message that is too short")
        _expect_kind(message, 3)
        flags = Flag(int.from_bytes(message[60:64], "little"))
        if flags & NEEDED != NEEDED:
            raise RemoteProtocolError("NTLM without what protects its session")
        response = _payload(message, 20)
        if len(response) < _PROOF_BYTES + _BLOB_PAIRS_OFFSET:
            raise RemoteProtocolError("NTLM of a version before 2")
        mic = None
        if _sends_mic(response[_PROOF_BYTES:]):
            if len(message) < _MIC.stop:
                raise RemoteProtocolError("an NTLM message without the MIC that it announces")
            mic = message[_MIC]
        return cls(
            flags=flags,
            domain=_text(_payload(message, 28)),
            username=_text(_payload(message, 36)),
            response=response,
            session_key=_payload(message, 52),
            mic=mic,
            without_mic=message[: _MIC.start] + bytes(16) + message[_MIC.stop :],
        )


def _sends_mic(blob: bytes) -> bool:
    reader = Reader(blob, _BLOB_PAIRS_OFFSET)
    while reader.left:
        kind, size = reader.u16(), reader.u16()
        value = reader.take(size)
        if kind == Pair.END:
            return False
        if kind == Pair.FLAGS:
            return bool(int.from_bytes(value, "little") & _MIC_PROVIDED)
    return False


def _expect_kind(message: bytes, kind: int) -> None:
    if message[:12] != SIGNATURE + kind.to_bytes(4, "little"):
        raise RemoteProtocolError(f"no NTLM message {kind} where one belongs")


def _payload(message: bytes, field: int) -> bytes:
    reader = Reader(message, field)
    size, _, start = reader.u16(), reader.u16(), reader.u32()
    return Reader(message, min(start, len(message))).take(size)


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace")


def _field(size: int, start: int) -> bytes:
    return size.to_bytes(2, "little") * 2 + start.to_bytes(4, "little")


def _pair(kind: Pair, value: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
