"""AES-GCM for SSH packets (RFC 5647), with the key schedule made once.

asyncssh makes a new one for every packet, which costs as much as the encryption. This
class takes its place in asyncssh's table (`protocols.ssh.transport` puts it there), and
the packet relay calls `seal` and `open` directly.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TAG_BYTES = 16
_COUNTER_MASK = 0xFFFFFFFFFFFFFFFF


class PacketGCM:
    """One direction of one leg between two key exchanges."""

    __slots__ = ("_counter", "_decrypt", "_encrypt", "_fixed")

    def __init__(self, key: bytes, iv: bytes) -> None:
        aead = AESGCM(key)
        self._encrypt, self._decrypt = aead.encrypt, aead.decrypt
        self._fixed, self._counter = iv[:4], int.from_bytes(iv[4:12], "big")

    @classmethod
    def new(cls, _name: str, key: bytes, iv: bytes, *_mac: object) -> "PacketGCM":
        """Make one as asyncssh's table asks for it; GCM needs no MAC of its own."""
        return cls(key, iv)

    @classmethod
    def needs_mac(cls) -> bool:
        """Say that no MAC algorithm has to be negotiated."""
        return False

    @classmethod
    def get_mac_params(cls, _mac: bytes) -> tuple[int, int, bool]:
        """Return the sizes of MAC key and tag, and that the length stays readable."""
        return 0, TAG_BYTES, True

    def seal(self, body: bytes | memoryview, header: bytes) -> bytes:
        """Return `body` encrypted, the tag behind it."""
        counter = self._counter
        self._counter = (counter + 1) & _COUNTER_MASK
        return self._encrypt(self._fixed + counter.to_bytes(8, "big"), body, header)

    def open(self, sealed: bytes | memoryview, header: bytes) -> bytes:
        """Return the body; raise `InvalidTag` where a bit was changed."""
        counter = self._counter
        self._counter = (counter + 1) & _COUNTER_MASK
        return self._decrypt(self._fixed + counter.to_bytes(8, "big"), sealed, header)

    def encrypt_packet(self, _sequence: int, header: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Seal as asyncssh asks for it."""
        return header + self.seal(body, header), b""

    def decrypt_header(self, _sequence: int, first: bytes, size: int) -> tuple[bytes, bytes]:
        """Return the length field, which is not encrypted."""
        return first, first[:size]

    def decrypt_packet(
        self, _sequence: int, first: bytes, rest: bytes, size: int, tag: bytes
    ) -> bytes | None:
        """Open as asyncssh asks for it: None where a bit was changed."""
        try:
            return self.open(first[size:] + rest + tag, first[:size])
        except InvalidTag:
            return None
