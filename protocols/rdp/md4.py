"""MD4 (RFC 1320), which NTLM is built on and OpenSSL no longer offers."""

from collections.abc import Callable
from typing import Final

_MASK: Final = 0xFFFFFFFF
_START: Final = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_BLOCK_BYTES: Final = 64
_Mix = Callable[[int, int, int], int]


def _choose(x: int, y: int, z: int) -> int:
    return x & y | ~x & z


def _majority(x: int, y: int, z: int) -> int:
    return x & y | x & z | y & z


def _parity(x: int, y: int, z: int) -> int:
    return x ^ y ^ z


_ROUNDS: Final[tuple[tuple[_Mix, int, tuple[int, ...], tuple[int, ...]], ...]] = (
    (_choose, 0, (3, 7, 11, 19), tuple(range(16))),
    (
        _majority,
        0x5A827999,
        (3, 5, 9, 13),
        (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
    ),
    (
        _parity,
        0x6ED9EBA1,
        (3, 9, 11, 15),
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
    ),
)


def md4(data: bytes) -> bytes:
    """Return the 16-byte digest of `data`."""
    size_bits = (len(data) * 8).to_bytes(8, "little")
    padded = data + b"\x80" + bytes((55 - len(data)) % _BLOCK_BYTES) + size_bits
    state = _START
    for start in range(0, len(padded), _BLOCK_BYTES):
        block = padded[start : start + _BLOCK_BYTES]
        words = [int.from_bytes(block[i : i + 4], "little") for i in range(0, 64, 4)]
        mixed = _mix(state, words)
        state = (
            (state[0] + mixed[0]) & _MASK,
            (state[1] + mixed[1]) & _MASK,
            (state[2] + mixed[2]) & _MASK,
            (state[3] + mixed[3]) & _MASK,
        )
    return b"".join(word.to_bytes(4, "little") for word in state)


def _mix(state: tuple[int, int, int, int], words: list[int]) -> tuple[int, int, int, int]:
    a, b, c, d = state
    for mix, constant, shifts, order in _ROUNDS:
        for step, index in enumerate(order):
            total = (a + mix(b, c, d) + words[index] + constant) & _MASK
            shift = shifts[step % 4]
            a, b, c, d = d, (total << shift | total >> 32 - shift) & _MASK, b, c
    return a, b, c, d
