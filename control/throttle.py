"""How long whoever failed must wait before his next try. Time is handed in.

What is counted is a pair, like a source and the name it tries: whoever fails elsewhere, or
with another name, makes nobody else wait. Nothing is ever locked.
"""

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple

_FREE_TRIES: Final = 4
"""People mistype."""
_FIRST_WAIT: Final = dt.timedelta(seconds=2)
_LONGEST_WAIT: Final = dt.timedelta(minutes=15)
_MAX_DOUBLINGS: Final = 12
_FORGOTTEN_AFTER: Final = dt.timedelta(hours=1)
_MAX_PAIRS: Final = 50_000
"""Some 10 MB; beyond that the pair that has been quiet the longest is forgotten."""


class _Failures(NamedTuple):
    tries: int
    last_at: dt.datetime


class Throttle:
    """Counts failures. May be used from any thread."""

    def __init__(self, free_tries: int = _FREE_TRIES, max_pairs: int = _MAX_PAIRS) -> None:
        self._free_tries = free_tries
        self._max_pairs = max_pairs
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._turn = threading.Lock()

    def wait_s(self, pair: Hashable, now: dt.datetime) -> float:
        """Return the seconds until `pair` may try again; 0 where it may now."""
        with self._turn:
            failures = self._failures.get(pair)
        if failures is None or now - failures.last_at > _FORGOTTEN_AFTER:
            return 0.0
        over = failures.tries - self._free_tries
        if over < 0:
            return 0.0
        wait = min(_FIRST_WAIT * (1 << min(over, _MAX_DOUBLINGS)), _LONGEST_WAIT)
        return max(0.0, (failures.last_at + wait - now).total_seconds())

    def failed(self, pair: Hashable, now: dt.datetime) -> None:
        """Count a failure."""
        with self._turn:
            known = self._failures.pop(pair, None)
            is_old = known is None or now - known.last_at > _FORGOTTEN_AFTER
            count = 1 if known is None or is_old else known.tries + 1
            self._failures[pair] = _Failures(count, now)
            while len(self._failures) > self._max_pairs:
                self._failures.popitem(last=False)

    def succeeded(self, pair: Hashable) -> None:
        """Forget the failures of `pair`."""
        with self._turn:
            self._failures.pop(pair, None)
