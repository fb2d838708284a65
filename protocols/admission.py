"""Who may knock how often: limits on connections that have not authenticated.

A sans-io copy of what OpenSSH's listener does by default, because asyncssh has none of
it: `MaxStartups` (random early drop), `MaxAuthTries` and `PerSourcePenalties`
(sshd_config(5)). Times are monotonic seconds and are handed in, as is the dice roll.

A *source* is an IPv4 address or an IPv6 /64: whoever has one address of a /64 has all of
them. Authenticated sessions are never ended by a penalty, and never shorten one; they
merely no longer count as knocking.

A source that has no connection waiting is a newcomer, and competes with other sources
only: however many connections the others hold, each of them counts once. So a flood from
few addresses keeps nobody else out, and one from many is met as OpenSSH meets it.

Memory is bounded: at most twice `full` unauthenticated connections are known, and at most
65 536 penalties of each address family; beyond that the one that ends first goes.
"""

import enum
import heapq
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from types import MappingProxyType
from typing import Final

from msgspec import Struct

TRACKED_SOURCES: Final = 65_536
"""Penalised sources known at once, for each address family."""

MIN_PENALTY_S: Final = 15.0
"""A penalty bites once it has grown beyond this: one mistyped password costs nothing."""

MAX_PENALTY_S: Final = 600.0


class Departure(enum.StrEnum):
    """How a connection left."""

    DONE = "done"
    """It had authenticated, or we closed it for a reason of ours."""
    AUTH_FAILED = "auth_failed"
    INVALID_USER = "invalid_user"
    NO_AUTH = "no_auth"
    """It never tried to authenticate: a scanner, or an idle connection."""
    GRACE_EXCEEDED = "grace_exceeded"
    """The login timeout ran out."""
    CRASHED = "crashed"
    """Serving it ended in a defect of ours, which it may have been looking for."""


PENALTY_S: Final = MappingProxyType(
    {
        Departure.AUTH_FAILED: 5.0,
        Departure.INVALID_USER: 5.0,
        Departure.NO_AUTH: 1.0,
        Departure.GRACE_EXCEEDED: 10.0,
        Departure.CRASHED: 90.0,
    }
)


class Refusal(enum.StrEnum):
    """Why a connection is not admitted."""

    TOO_MANY = "too many connections have not authenticated yet"
    TOO_MANY_FROM_SOURCE = "too many connections from this source have not authenticated yet"
    PENALTY = "this source is being penalised"


class Admitted(Struct, kw_only=True, eq=False):
    """The ticket of an admitted connection: hand it to `authenticated` and `left`."""

    source: str
    failed_tries: int = 0
    waiting: bool = True
    """Whether it still counts as unauthenticated."""
    present: bool = True


class Refused(Struct, frozen=True):
    """The connection is to be closed at once, without a word."""

    reason: Refusal


class StartupLimits(Struct, frozen=True, kw_only=True):
    """`MaxStartups`: all are admitted below `start`, none from `full` on."""

    start: int
    rate_percent: int
    """The share that is dropped at `start`; it grows to 100 at `full`."""
    full: int

    def drop_percent(self, waiting: int) -> int:
        """Return the share of newcomers to drop while `waiting` have not authenticated."""
        if waiting < self.start:
            return 0
        if waiting >= self.full:
            return 100
        rest = 100 - self.rate_percent
        return self.rate_percent + rest * (waiting - self.start) // (self.full - self.start)


def parse_startups(text: str) -> StartupLimits:
    """Read `start:rate:full` or `full`; raise `ValueError` naming the form."""
    parts = text.split(":")
    if len(parts) not in {1, 3} or not all(part.isascii() and part.isdigit() for part in parts):
        raise _bad_form(text)
    if len(parts) == 1:
        parts = [parts[0], "100", parts[0]]
    start, rate_percent, full = (int(part) for part in parts)
    if not 1 <= start <= full or not 1 <= rate_percent <= 100:  # noqa: PLR2004
        raise _bad_form(text)
    return StartupLimits(start=start, rate_percent=rate_percent, full=full)


def _bad_form(text: str) -> ValueError:
    return ValueError(
        f"max_startups {text!r} is not of the form start:rate:full, such as 10:30:100:"
        " 1 <= start <= full, and a rate from 1 to 100 percent"
    )


class Admission:
    """Decides about every connection of a gateway before anything is read from it."""

    def __init__(
        self,
        max_startups: str = "10:30:100",
        max_tries: int = 6,
        *,
        penalties: bool = True,
        max_startups_per_source: int | None = None,
    ) -> None:
        if max_tries < 1:
            raise ValueError(f"max_tries {max_tries} must be at least 1")
        self._limits = parse_startups(max_startups)
        self._max_tries = max_tries
        self._penalised = penalties
        self._per_source = max_startups_per_source or self._limits.full
        self._waiting: Counter[str] = Counter()
        self._families = {4: _Penalties(TRACKED_SOURCES), 6: _Penalties(TRACKED_SOURCES)}

    @property
    def waiting(self) -> int:
        """How many admitted connections have neither authenticated nor left."""
        return self._waiting.total()

    def admit(self, source: str, now_s: float, roll: float) -> Admitted | Refused:
        """Decide about a connection from the address `source`; `roll` is in [0, 1)."""
        key, family = _source(source)
        if self._penalised and self._families[family].bites(key, now_s):
            return Refused(Refusal.PENALTY)
        if self._waiting[key] >= self._per_source:
            return Refused(Refusal.TOO_MANY_FROM_SOURCE)
        crowd = self.waiting if key in self._waiting else len(self._waiting)
        if roll * 100 < self._limits.drop_percent(crowd):
            return Refused(Refusal.TOO_MANY)
        self._waiting[key] += 1
        return Admitted(source=source)

    def failed(self, ticket: Admitted) -> bool:
        """Count a failed try to authenticate; return whether another one is allowed."""
        ticket.failed_tries += 1
        return ticket.failed_tries < self._max_tries

    def authenticated(self, ticket: Admitted) -> None:
        """Stop counting the connection as unauthenticated. Saying it twice is harmless."""
        if not ticket.waiting:
            return
        ticket.waiting = False
        key, _ = _source(ticket.source)
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]

    def left(self, ticket: Admitted, how: Departure, now_s: float) -> None:
        """Forget the connection and penalise its source for `how` it left, once."""
        if not ticket.present:
            return
        ticket.present = False
        self.authenticated(ticket)
        penalty_s = PENALTY_S.get(how)
        if self._penalised and penalty_s is not None:
            key, family = _source(ticket.source)
            self._families[family].add(key, penalty_s, now_s)


class _Penalty(Struct, eq=False):
    until_s: float
    bites: bool


class _Penalties:
    """The penalties of one address family, with the soonest end at hand."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_source: dict[str, _Penalty] = {}
        self._ends: list[tuple[float, str]] = []

    def bites(self, source: str, now_s: float) -> bool:
        penalty = self._by_source.get(source)
        return penalty is not None and penalty.bites and penalty.until_s > now_s

    def add(self, source: str, penalty_s: float, now_s: float) -> None:
        self._expire(now_s)
        penalty = self._by_source.get(source)
        if penalty is None:
            penalty = self._by_source[source] = _Penalty(until_s=now_s, bites=False)
        penalty.until_s = min(penalty.until_s + penalty_s, now_s + MAX_PENALTY_S)
        penalty.bites = penalty.bites or penalty.until_s - now_s > MIN_PENALTY_S
        self._note_end(source, penalty.until_s)
        if len(self._by_source) > self._capacity:
            self._drop_soonest()

    def _expire(self, now_s: float) -> None:
        while self._ends and self._ends[0][0] <= now_s:
            self._pop_end()

    def _drop_soonest(self) -> None:
        while len(self._by_source) > self._capacity:
            self._pop_end()

    def _pop_end(self) -> None:
        until_s, source = heapq.heappop(self._ends)
        penalty = self._by_source.get(source)
        if penalty is not None and penalty.until_s == until_s:
            del self._by_source[source]

    def _note_end(self, source: str, until_s: float) -> None:
        heapq.heappush(self._ends, (until_s, source))
        if len(self._ends) > 2 * self._capacity:
            # A source that comes back leaves its former end in the heap.
            self._ends = [(each.until_s, name) for name, each in self._by_source.items()]
            heapq.heapify(self._ends)


def _source(address: str) -> tuple[str, int]:
    """Return the source that `address` belongs to, and its address family.

    What is no IP address (a unix socket's peer) is a source by its own name.
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address, 4
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((int(parsed), 64), strict=False)), 6
        parsed = parsed.ipv4_mapped
    return str(parsed), 4
