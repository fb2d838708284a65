"""NTLM towards a client, without the NT hash: somebody else says what its answer proves.

The messages are kept as they came: a MIC covers them byte by byte, and re-packing the
client's answer would refuse FreeRDP's valid one.
"""

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.ntlm import Authenticate, Challenge, Flag, read_negotiate

_SIGNATURE_BYTES: Final = 16
_CHECKSUM_BYTES: Final = 8
_KEY_BYTES: Final = 16


class Attempt(Struct, frozen=True, kw_only=True):
    """A client's answer to a challenge, for whoever can say what it proves."""

    username: str
    domain: str
    server_challenge: bytes
    response: bytes
    """NtChallengeResponse, as it came."""

    def __repr__(self) -> str:
        return "Attempt(<redacted>)"


class NTLMAcceptor:
    """The acceptor's part of one authentication ([MS-NLMP] 3.2.5)."""

    def __init__(self, challenge: Challenge) -> None:
        self._challenge = challenge
        self._negotiate = b""
        self._answer = b""
        self._authenticate: Authenticate | None = None

    def challenge(self, negotiate: bytes) -> bytes:
        """Return the CHALLENGE that answers a NEGOTIATE."""
        self._answer = self._challenge.write(read_negotiate(negotiate))
        self._negotiate = negotiate
        return self._answer

    def attempt(self, authenticate: bytes) -> Attempt:
        """Return what an AUTHENTICATE claims; nothing of it is proved yet."""
        if not self._negotiate or self._authenticate:
            raise RemoteProtocolError("an NTLM message out of its turn")
        read = self._authenticate = Authenticate.read(authenticate)
        return Attempt(
            username=read.username,
            domain=read.domain,
            server_challenge=self._challenge.server_challenge,
            response=read.response,
        )

    def proved(self, base_key: bytes) -> "SealedSession":
        """Return the session of a client whose answer was proved; raise at a wrong MIC."""
        read = self._authenticate
        if read is None:
            raise RemoteProtocolError("an NTLM message out of its turn")
        key = base_key
        if read.flags & Flag.KEY_EXCHANGE:
            if len(read.session_key) != _KEY_BYTES:
                raise RemoteProtocolError("an NTLM session key of the wrong size")
            key = _RC4(base_key).update(read.session_key)
        if read.mic is not None:
            covered = self._negotiate + self._answer + read.without_mic
            if not hmac.compare_digest(read.mic, hmac.digest(key, covered, hashlib.md5)):
                raise RemoteProtocolError("the NTLM messages were altered on their way")
        return SealedSession(key, exchanged=bool(read.flags & Flag.KEY_EXCHANGE))


class SealedSession:
    """Seals and opens messages ([MS-NLMP] 3.4), as the acceptor."""

    def __init__(self, key: bytes, *, exchanged: bool) -> None:
        self._in = _Direction(key, b"client-to-server", exchanged=exchanged)
        self._out = _Direction(key, b"server-to-client", exchanged=exchanged)

    def seal(self, message: bytes) -> bytes:
        """Return signature and sealed message."""
        sealed = self._out.rc4.update(message)
        return self._out.sign(message) + sealed

    def open(self, sealed: bytes) -> bytes:
        """Return the message; raise `RemoteProtocolError` where it was altered."""
        if len(sealed) < _SIGNATURE_BYTES:
            raise RemoteProtocolError("a sealed message without its signature")
        message = self._in.rc4.update(sealed[_SIGNATURE_BYTES:])
        self._check(sealed[:_SIGNATURE_BYTES], message)
        return message

    def sign_list(self, mechanisms: bytes) -> bytes:
        """Return the MIC of SPNEGO's list of mechanisms; the key stream begins anew."""
        signature = self._out.sign(mechanisms)
        self._out.restart()
        return signature

    def check_list(self, signature: bytes, mechanisms: bytes) -> None:
        """Check the MIC of SPNEGO's list; raise where it is wrong."""
        self._check(signature, mechanisms)
        self._in.restart()

    def _check(self, signature: bytes, message: bytes) -> None:
        if not hmac.compare_digest(signature, self._in.sign(message)):
            raise RemoteProtocolError("a sealed message was altered on its way")


class _Direction:
    def __init__(self, key: bytes, way: bytes, *, exchanged: bool) -> None:
        self._signing = _md5(key + b"session key to " + way + b" signing key magic constant\0")
        self._sealing = _md5(key + b"session key to " + way + b" sealing key magic constant\0")
        self._exchanged = exchanged
        self._sequence = 0
        self.rc4 = _RC4(self._sealing)

    def sign(self, message: bytes) -> bytes:
        number = self._sequence.to_bytes(4, "little")
        self._sequence += 1
        checksum = hmac.digest(self._signing, number + message, hashlib.md5)[:_CHECKSUM_BYTES]
        if self._exchanged:
            checksum = self.rc4.update(checksum)
        return b"\x01\0\0\0" + checksum + number

    def restart(self) -> None:
        self.rc4 = _RC4(self._sealing)


class _RC4:
    def __init__(self, key: bytes) -> None:
        self._stream = Cipher(ARC4(key), mode=None).encryptor()

    def update(self, data: bytes) -> bytes:
        return self._stream.update(data)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
