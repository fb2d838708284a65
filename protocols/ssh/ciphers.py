"""Binary packets (RFC 4253 6) in and out of a byte stream: what the relay does hottest.

`PacketGCM` is AES-GCM for SSH (RFC 5647) with the key schedule made once: asyncssh makes
a new one for every packet, which costs as much as the encryption. It takes its place in
asyncssh's table (`protocols.ssh.transport` puts it there). `PacketOpener` reads packets of
every other cipher through asyncssh's classes.

Both stop at a packet that is not of the connection protocol: a key exchange changes what
follows it.
"""

from asyncssh import MACError
from asyncssh.encryption import Encryption
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.errors import RemoteProtocolError
from protocols.ssh.packets import MAX_IGNORED_BYTES, MAX_PACKET_BYTES, body_of, payload_of

_TAG_BYTES = 16
_COUNTER_MASK = 0xFFFFFFFFFFFFFFFF
_CONNECTION_FIRST, _CONNECTION_LAST = 80, 100


class PacketGCM(Encryption):
    """One direction of one leg between two key exchanges."""

    __slots__ = ("_counter", "_decrypt", "_encrypt", "_encrypt_into", "_fixed")

    def __init__(self, key: bytes, iv: bytes) -> None:
        aead = AESGCM(key)
        self._encrypt, self._decrypt = aead.encrypt, aead.decrypt
        self._encrypt_into = aead.encrypt_into
        self._fixed, self._counter = iv[:4], int.from_bytes(iv[4:12], "big")

    @classmethod
    def new(
        cls,
        cipher_name: str,
        key: bytes,
        iv: bytes,
        mac_alg: bytes = b"",
        mac_key: bytes = b"",
        etm: bool = False,  # noqa: FBT001, FBT002
    ) -> "PacketGCM":
        """Make one as asyncssh's table asks for it; GCM needs no MAC of its own."""
        del cipher_name, mac_alg, mac_key, etm
        return cls(key, iv)

    @classmethod
    def needs_mac(cls) -> bool:
        """Say that no MAC algorithm has to be negotiated."""
        return False

    @classmethod
    def get_mac_params(cls, _mac: bytes) -> tuple[int, int, bool]:
        """Return the sizes of MAC key and tag, and that the length stays readable."""
        return 0, _TAG_BYTES, True

    def seal_burst(self, bodies: list[bytes]) -> tuple[bytearray, int]:
        """Return the packets of `bodies` in one piece, and how many bytes were sealed."""
        # A body from a cipher with other blocks fits ours only when padded anew.
        fitting = [body_of(payload_of(body)) if len(body) & 15 else body for body in bodies]
        sealed_bytes = sum(map(len, fitting))
        # Sealed where it is sent from: a piece for each body, and a copy of all, cost as
        # much again as the encryption.
        out = bytearray(sealed_bytes + len(fitting) * (4 + _TAG_BYTES))
        view, end = memoryview(out), 0
        encrypt_into, fixed, counter = self._encrypt_into, self._fixed, self._counter
        for body in fitting:
            start, end = end + 4, end + 4 + len(body) + _TAG_BYTES
            header = len(body).to_bytes(4, "big")
            out[start - 4 : start] = header
            nonce = fixed + counter.to_bytes(8, "big")
            encrypt_into(nonce, body, header, view[start:end])
            counter = (counter + 1) & _COUNTER_MASK
        self._counter = counter
        return out, sealed_bytes

    def open_burst(
        self, received: bytes, bodies: list[bytes], held: bytes = b""
    ) -> tuple[int, bytes | None]:
        """Decrypt whole packets into `bodies`; return what was used up, and why it stopped.

        `held` is the beginning of a packet that came before. It counts as used up, too: what
        is returned is 0 while that packet is not whole. Only that one is put together, for
        copying a burst costs as much as a quarter of its decryption.

        It stops early only at a packet of another layer, which is returned. Raises
        `MACError` where a bit was changed, `RemoteProtocolError` at a packet too large.
        """
        if not held:
            return self._open_from(0, received, bodies)
        offset = _missing_bytes(held, received)
        if offset > len(received):
            return 0, None
        if offset <= 0:
            return self._open_from(0, held + received, bodies)
        used, special = self._open_from(0, held + received[:offset], bodies)
        if special is None:
            stopped, special = self._open_from(offset, received, bodies)
            used = len(held) + stopped
        return used, special

    def _open_from(
        self, offset: int, received: bytes, bodies: list[bytes]
    ) -> tuple[int, bytes | None]:
        decrypt, fixed, counter = self._decrypt, self._fixed, self._counter
        end, special = len(received), None
        view = memoryview(received)
        try:
            while end - offset >= 4 + _TAG_BYTES:
                header = received[offset : offset + 4]
                stop = offset + 4 + _TAG_BYTES + int.from_bytes(header, "big")
                if stop > end:
                    _check_size(stop - offset, MAX_IGNORED_BYTES)
                    break
                sealed = view[offset + 4 : stop]
                body = decrypt(fixed + counter.to_bytes(8, "big"), sealed, header)
                offset, counter = stop, (counter + 1) & _COUNTER_MASK
                if not _CONNECTION_FIRST <= body[1] <= _CONNECTION_LAST:
                    special = body
                    break
                _check_size(len(body), MAX_PACKET_BYTES)
                bodies.append(body)
        except (InvalidTag, IndexError):
            raise MACError("a packet was altered on the way") from None
        self._counter = counter
        return offset, special

    def encrypt_packet(self, _seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:
        """Seal as asyncssh asks for it."""
        counter = self._counter
        self._counter = (counter + 1) & _COUNTER_MASK
        return header + self._encrypt(
            self._fixed + counter.to_bytes(8, "big"), packet, header
        ), b""

    def decrypt_header(
        self, _seq: int, first_block: bytes, header_len: int
    ) -> tuple[bytes, bytes]:
        """Return the length field, which is not encrypted."""
        return first_block, first_block[:header_len]

    def decrypt_packet(
        self, _seq: int, first: bytes, rest: bytes, header_len: int, mac: bytes
    ) -> bytes | None:
        """Open as asyncssh asks for it: None where a bit was changed."""
        counter = self._counter
        self._counter = (counter + 1) & _COUNTER_MASK
        nonce = self._fixed + counter.to_bytes(8, "big")
        try:
            return self._decrypt(nonce, first[header_len:] + rest + mac, first[:header_len])
        except InvalidTag:
            return None


class PacketOpener:
    """Reads packets of any cipher; one for each direction between two key exchanges."""

    def __init__(self, cipher: Encryption, block_bytes: int, mac_bytes: int) -> None:
        self.cipher = cipher
        self._block_bytes, self._mac_bytes = block_bytes, mac_bytes
        self._partial: tuple[bytes, int] | None = None
        """A header that was decrypted before its packet was whole.

        A counter-mode cipher has moved on: it must not be decrypted again.
        """

    def open_burst(
        self, received: bytes, sequence: int, bodies: list[bytes]
    ) -> tuple[int, bytes | None]:
        """Do what `PacketGCM.open_burst` does; `sequence` numbers the first packet."""
        offset = 0
        while True:
            used, body = self._open(received, offset, sequence + len(bodies))
            offset += used
            if body is None:
                return offset, None
            if not _CONNECTION_FIRST <= body[1] <= _CONNECTION_LAST:
                return offset, body
            _check_size(len(body), MAX_PACKET_BYTES)
            bodies.append(body)

    def _open(self, received: bytes, offset: int, sequence: int) -> tuple[int, bytes | None]:
        block_bytes, sequence, start = self._block_bytes, sequence & 0xFFFFFFFF, offset
        if self._partial is None:
            if len(received) - offset < block_bytes:
                return 0, None
            block = received[offset : offset + block_bytes]
            first, size = self.cipher.decrypt_header(sequence, block, 4)
            self._partial = first, int.from_bytes(size, "big")
            offset += block_bytes
        first, size_bytes = self._partial
        _check_size(size_bytes, MAX_IGNORED_BYTES)
        rest_end = offset + 4 + size_bytes - block_bytes
        if rest_end < offset:
            raise RemoteProtocolError("a packet shorter than its cipher's block")
        end = rest_end + self._mac_bytes
        if len(received) < end:
            return offset - start, None
        rest, mac = received[offset:rest_end], received[rest_end:end]
        body = self.cipher.decrypt_packet(sequence, first, rest, 4, mac)
        if body is None or len(body) < 2:  # noqa: PLR2004 - padding length and message number
            raise MACError("a packet was altered on the way")
        self._partial = None
        return end - start, body


def _missing_bytes(held: bytes, received: bytes) -> int:
    """Return how much of `received` makes the packet that `held` begins whole."""
    header = held[:4] + received[: max(0, 4 - len(held))]
    if len(header) < 4:  # noqa: PLR2004 - the length field
        return len(received) + 1
    packet_bytes = 4 + _TAG_BYTES + int.from_bytes(header, "big")
    _check_size(packet_bytes, MAX_IGNORED_BYTES)
    return packet_bytes - len(held)


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise RemoteProtocolError(f"a packet of {size_bytes} bytes is over the limit")
