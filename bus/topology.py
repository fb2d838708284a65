"""What there is on the broker, as data: exchanges, queues, routing keys, and who may what.

    engine ──requests──▶ site queue ──▶ control       SITE.ENGINE is the routing key of all
    engine ──chunks────▶ site queue ──▶ worker        that an engine says, and the broker
    engine ──pings─────▶ site queue ──▶ worker        lets it use no other
    engine ──live──────▶ each control node
    engine ──results───▶ the node that gave the command
    control, worker ───▶ the engine's queues `replies` and `commands`

Every queue has a bound, and a full one refuses what comes (`reject-publish`) rather than
forget what is there: an engine's spool is where an outage is waited for. `docs/formats/bus.md`
is the same for strangers.
"""

import re
from typing import Final
from uuid import UUID

from msgspec import Struct

REQUESTS: Final = "proxyd.requests"
CHUNKS: Final = "proxyd.chunks"
PINGS: Final = "proxyd.pings"
LIVE: Final = "proxyd.live"
RESULTS: Final = "proxyd.results"
DEAD: Final = "proxyd.dead"
"""Where the broker puts a chunk that a worker gave up on."""
DIRECT_TO_QUEUE: Final = ""
"""The broker's own exchange: the routing key is the name of a queue."""

CONTROL: Final = "control"
STORAGE: Final = "storage"
"""Who a message of an engine is for, whichever node or worker takes it."""

MAX_CHUNK_BYTES: Final = 9 * 1024 * 1024
"""The largest `chunk_max_bytes`, and one burst more. By default a chunk is about 1 MiB."""

TRIES: Final = 4
"""A chunk that failed, or killed its worker, so often is put aside by the next."""
_DELIVERY_LIMIT: Final = TRIES + 2
"""The broker's own, where a worker dies before it can count; Debian 12's has no default."""
_MiB: Final = 1024 * 1024
_MAX_WAITING_CHUNK_BYTES: Final = 1024 * _MiB
_MAX_DEAD_BYTES: Final = 1024 * _MiB
_MAX_REQUESTS: Final = 10_000
_MAX_REPLIES: Final = 10_000
_NEVER: Final = 2_000_000_000
"""Looking at dead letters counts as delivering them, and must not use them up."""
PING_TTL_MS: Final = 2_000
_UNUSED_TTL_MS: Final = 24 * 3600 * 1000
"""The queues of an engine that is gone for good go after this."""
_MAX_LIVE_BYTES: Final = 16 * _MiB
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Exchange(Struct, frozen=True):
    """An exchange, durable."""

    name: str
    kind: str


class Queue(Struct, frozen=True, kw_only=True):
    """A queue, and what it is bound to."""

    name: str
    arguments: dict[str, object]
    exclusive: bool = False
    """Belongs to one connection and goes with it."""
    bindings: tuple[tuple[str, str], ...] = ()
    """Exchange and routing key of each."""


EXCHANGES: Final = (
    Exchange(REQUESTS, "topic"),
    Exchange(CHUNKS, "topic"),
    Exchange(PINGS, "topic"),
    Exchange(LIVE, "topic"),
    Exchange(RESULTS, "direct"),
    Exchange(DEAD, "direct"),
)
"""Topics, where an engine writes: only there a broker checks the routing key, too."""


def check_word(what: str, word: str) -> None:
    """Raise `ValueError` unless `word` can stand in a routing key."""
    if not _WORD.fullmatch(word):
        raise ValueError(
            f"{what} {word!r} cannot be used on the bus: up to 64 letters, digits, - and _ can"
        )


def engine_key(site: str, engine_id: str) -> str:
    """Return the routing key of all that an engine says."""
    return f"{site}.{engine_id}"


def feed_key(engine: str, feed_id: UUID) -> str:
    """Return the routing key of a live feed of the engine whose key is `engine`."""
    return f"{engine}.{feed_id}"


def feed_of(key: str) -> UUID:
    """Return the feed that a routing key names; raise `ValueError`."""
    return UUID(key.rpartition(".")[2])


def engine_of(key: str) -> str:
    """Return the engine that a routing key names: the broker let it use no other."""
    return key.split(".")[1] if "." in key else ""


def site_requests(site: str) -> Queue:
    """Return the queue of a site's requests to control."""
    return Queue(
        name=f"proxyd.site.{site}.requests",
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": 1,
            "x-overflow": "reject-publish",
            "x-max-length": _MAX_REQUESTS,
        },
        bindings=((REQUESTS, f"{site}.*"),),
    )


def site_chunks(site: str) -> Queue:
    """Return the queue of a site's chunks to storage."""
    return Queue(
        name=f"proxyd.site.{site}.chunks",
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": _DELIVERY_LIMIT,
            "x-overflow": "reject-publish",
            "x-max-length-bytes": _MAX_WAITING_CHUNK_BYTES,
            "x-dead-letter-exchange": DEAD,
            "x-dead-letter-routing-key": site,
            "x-dead-letter-strategy": "at-least-once",
        },
        bindings=((CHUNKS, f"{site}.*"),),
    )


def site_dead(site: str) -> Queue:
    """Return the queue of the chunks of a site that were given up on."""
    return Queue(
        name=f"proxyd.site.{site}.dead",
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": _NEVER,
            "x-overflow": "reject-publish",
            "x-max-length-bytes": _MAX_DEAD_BYTES,
        },
        bindings=((DEAD, site),),
    )


def site_pings(site: str) -> Queue:
    """Return the queue of the signs of life that a site asks storage for."""
    return Queue(
        name=f"proxyd.site.{site}.pings",
        arguments={"x-message-ttl": PING_TTL_MS, "x-max-length": 1000},
        bindings=((PINGS, f"{site}.*"),),
    )


def storage_queues(site: str) -> tuple[Queue, ...]:
    """Return what a worker of this site needs; the dead letters' first."""
    return site_dead(site), site_chunks(site), site_pings(site)


def engine_replies(engine_id: str) -> Queue:
    """Return the queue of answers and receipts to an engine."""
    return Queue(
        name=f"proxyd.engine.{engine_id}.replies",
        arguments={"x-expires": _UNUSED_TTL_MS, "x-max-length": _MAX_REPLIES},
    )


def engine_commands(engine_id: str) -> Queue:
    """Return the queue of commands to an engine."""
    return Queue(
        name=f"proxyd.engine.{engine_id}.commands",
        arguments={"x-expires": _UNUSED_TTL_MS, "x-max-length": 1000},
    )


def node_queue(node: str, connection: str, *, live: bool) -> Queue:
    """Return the queue of what comes back to a control node or a worker.

    It belongs to one connection: a queue of one name would be kept from us by the
    connection before, until the broker has noticed that it is dead.
    """
    feed = ((LIVE, "#"),) if live else ()
    return Queue(
        name=f"proxyd.node.{node}.{connection}",
        arguments={"x-max-length-bytes": _MAX_LIVE_BYTES},
        exclusive=True,
        bindings=((RESULTS, node), *feed),
    )
