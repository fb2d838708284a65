"""A Merkle tree over a log that only grows: RFC 9162 section 2.1 (as RFC 6962), SHA-256.

Its root stands for every entry and their order. Whoever kept an old root can tell later
whether the log still begins with what it held then.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry; inner nodes are hashed differently, so none can pose."""
    return hashlib.sha256(_LEAF + entry).digest()


class Tree:
    """The right edge of a growing tree: enough for its root, 32 bytes for each power of 2."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        """The roots of the perfect subtrees that it is made of, the largest first."""

    def add(self, leaf: bytes) -> None:
        """Append the hash of an entry."""
        carried = self.size
        self.size += 1
        while carried & 1:
            leaf = _node(self._peaks.pop(), leaf)
            carried >>= 1
        self._peaks.append(leaf)

    def root(self) -> bytes:
        """Return the root of all that was appended."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = _node(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of entries."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return what proves that the entry at `index` is in the tree (RFC 9162 2.1.3.1)."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no entry {index} among {len(leaves)}")
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _largest_power_below(end - start)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that `path` leads to from an entry (RFC 9162 2.1.3.2).

    None where a tree of `size` entries has no such path.
    """
    if not 0 <= index < size:
        return None
    root, last = leaf, size - 1
    for beside in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            root = _node(beside, root)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            root = _node(root, beside)
        index, last = index >> 1, last >> 1
    return root if last == 0 else None


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def _largest_power_below(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
