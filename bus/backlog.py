"""What a worker was handed and has not stored, and which of it comes next. Sans-io.

A commit costs more than a chunk: what has come is stored in one transaction. A chunk that
was delivered before may be what its worker died of, so it is stored alone, after those with
fewer tries. Whoever was handed out beside it has as many: each turn goes through them from
the other end, so that by the second one they are past it, before it or behind.
"""

from typing import Final

from msgspec import Struct

from recorder.chunk import Chunk

AT_ONCE: Final = 32
AT_ONCE_BYTES: Final = 8 * 1024 * 1024
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 10.0


class Delivery(Struct, eq=False, kw_only=True):
    """A chunk as the broker brought it."""

    tag: int
    key: str
    correlation_id: str | None
    chunk: Chunk
    tries: int
    """How often it was delivered before."""
    came_s: float
    delay_s: float = 0.0
    due_s: float = 0.0
    """Not to be tried before."""


class Backlog:
    """At most as many as the broker hands out unacknowledged."""

    def __init__(self) -> None:
        self._held: list[Delivery] = []
        self._was_fresh = False

    def __len__(self) -> int:
        return len(self._held)

    def add(self, delivery: Delivery) -> None:
        """Hold what has come."""
        self._held.append(delivery)

    def defer(self, delivery: Delivery, now_s: float) -> None:
        """Hold what storage was not there for, longer each time."""
        delivery.delay_s = min(2 * delivery.delay_s or FIRST_DELAY_S, LONGEST_DELAY_S)
        delivery.due_s = now_s + delivery.delay_s
        self._held.append(delivery)

    def take(self, now_s: float) -> list[Delivery]:
        """Return what to store next, in one transaction; nothing where nothing is due."""
        due = [each for each in self._held if each.due_s <= now_s]
        struck = [each for each in due if each.tries]
        fresh = [each for each in due if not each.tries]
        # In turns: neither waits for ever for the other.
        self._was_fresh = bool(fresh) and not (struck and self._was_fresh)
        taken = _batch(fresh) if self._was_fresh else _suspect(struck)
        self._held = [each for each in self._held if each not in taken]
        return taken

    def wait_s(self, now_s: float) -> float | None:
        """Return how long there is nothing to be done; None: until something comes."""
        if not self._held:
            return None
        return max(0.0, min(each.due_s for each in self._held) - now_s)


def _batch(fresh: list[Delivery]) -> list[Delivery]:
    size_bytes, batch = 0, list[Delivery]()
    for each in fresh[:AT_ONCE]:
        size_bytes += len(each.chunk.encoded)
        if batch and size_bytes > AT_ONCE_BYTES:
            break
        batch.append(each)
    return batch


def _suspect(struck: list[Delivery]) -> list[Delivery]:
    if not struck:
        return []
    fewest = min(each.tries for each in struck)
    alike = [each for each in struck if each.tries == fewest]
    return [alike[-1] if fewest % 2 else alike[0]]
